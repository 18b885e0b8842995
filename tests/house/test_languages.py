"""Whatever people see is said in every language: nothing is left out, cut or glued together from parts."""

import ast
import gettext
import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.contrib.auth.models import User
from django.template.base import Lexer, TokenType
from django.test import RequestFactory
from django.utils import translation

from bench import messages
from kopeck.configuration import languages

FILES = sorted(messages.LOCALE.glob("*/LC_MESSAGES/django.po"))
TEMPLATES = sorted(messages.SHOP.glob("**/templates/**/*.*"))
PLACE = re.compile(r"%\(\w+\)[sd]|%[sd]|</?\w[^>]*>")
#: What is written the same in every language: names, units, and what stands between two facts.
NAMES = {"Kopeck"}
#: A page's own attributes that are read to people.
SPOKEN = re.compile(
    r"""\b(?:alt|title|aria-label|placeholder|data-(?:busy|failed|replaced|changed))=["']([^"'{]+)"""
)


def of(path: Path) -> Catalog:
    return messages.read(path)


def texts(message: Message) -> tuple[str, ...]:
    return message.string if isinstance(message.string, tuple) else (str(message.string or ""),)


def forms(message: Message) -> tuple[str, ...]:
    return message.id if isinstance(message.id, tuple) else (message.id,)


@pytest.fixture(scope="module")
def said() -> Catalog:
    return messages.said()


def test_what_people_see_is_found_in_python_and_in_templates(said: Catalog) -> None:
    assert len(said) > 600
    for message, context in (
        ("Buy", None),  # a template
        ("Order", "what the button does"),
        ("Thank you", None),  # Python
        ("state", "of a country"),
        ("Discount", None),  # the default of a filter
    ):
        assert said.get(message, context) is not None, message
    assert ("%(n)s item", "%(n)s items") in [message.id for message in said]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
def test_every_sentence_is_translated_and_no_other(path: Path, said: Catalog) -> None:
    catalog = of(path)
    there = {(message.id, message.context) for message in said if message.id}
    known = {(message.id, message.context): message for message in catalog if message.id}
    assert not sorted(map(str, there - set(known))), "`make messages` adds them"
    assert not sorted(map(str, set(known) - there)), "`make messages` takes them out"
    empty = [message.id for message in known.values() if not all(texts(message))]
    assert not empty, "without a translation"
    assert not [message.id for message in known.values() if message.fuzzy]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
def test_every_translation_has_all_forms_and_the_same_places_as_the_sentence(path: Path) -> None:
    catalog = of(path)
    for message in catalog:
        if not message.id:
            continue
        wanted = sorted(PLACE.findall(forms(message)[-1]))
        for text in texts(message):
            assert sorted(PLACE.findall(text)) == wanted, message.id
            # Of a label and what follows, both end the same way: "Follow it:" and "Отследить:".
            assert text[-1:].isspace() == forms(message)[0][-1:].isspace(), message.id
            assert (text[-1:] == ":") == (forms(message)[0][-1:] == ":"), message.id
        if isinstance(message.id, tuple):
            assert len(texts(message)) == catalog.num_plurals, message.id


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-3])
def test_a_file_is_in_order_and_names_no_places(path: Path) -> None:
    assert path.read_bytes() == messages.renewed(path), "`make messages` puts it into order"


def test_no_sentence_is_glued_together(said: Catalog) -> None:
    for message in said:
        for form in forms(message) if message.id else ():
            assert form == form.strip(), f"{form!r} begins or ends where another part is put"
            names = re.findall(r"%[sdif]", form)
            assert len(names) < 2, f"{form!r}: places without names cannot change their order"


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_text_of_a_template_is_outside_of_translations(path: Path) -> None:
    assert not _plain_words(path.read_text()), path


def _plain_words(template: str) -> list[str]:
    """The words in a template that no translation reaches."""
    kept, depth = [], 0
    classes = r"{% block bodyclass %}.*?{% endblock %}"
    for token in Lexer(re.sub(classes, "", template)).tokenize():
        if token.token_type == TokenType.BLOCK:
            depth += token.contents.startswith(("blocktranslate", "comment"))
            depth -= token.contents.startswith(("endblocktranslate", "endcomment"))
        elif token.token_type == TokenType.TEXT and not depth:
            kept.append(token.contents)
        elif token.token_type == TokenType.VAR:
            kept.append("{}")
    page = re.sub(r"<style>.*?</style>|<script\b.*?</script>", "", "\0".join(kept), flags=re.S)
    spoken = SPOKEN.findall(page)
    # An attribute alone is a block that stands inside a tag.
    text = re.sub(r"<[^>]*>|[\w-]+=\"[^\"]*\"", " ", page)
    words = re.findall(r"[^\W\d_]{2,}", html.unescape(" ".join([text, *spoken])))
    return [word for word in words if word not in NAMES]


def test_the_search_for_plain_words_finds_them() -> None:
    assert _plain_words("<p>Buy now</p>") == ["Buy", "now"]
    assert _plain_words('<img alt="A pot"><b title="{{ it }}">{{ it }}</b>') == ["pot"]
    assert not _plain_words(
        "{% blocktranslate %}Buy {{ it }}{% endblocktranslate %} {{ it }} · <b class='it'>"
    )


#: Keywords whose texts people read, and calls with the place of such an argument.
READ = {"label", "help_text", "description", "verbose_name", "verbose_name_plural", "title", "message"}
SAYS = {"ShopError": 1, "ValidationError": 0, "message_user": 1, "add_error": 1}


@pytest.mark.parametrize("room", sorted(path.name for path in messages.SHOP.iterdir() if path.is_dir()))
def test_no_text_that_people_read_is_plain_in_python(room: str) -> None:
    for path in (messages.SHOP / room).rglob("*.py"):
        if "migrations" not in path.parts:
            assert not _plain_texts(path.read_text()), path


def _plain_texts(code: str) -> list[str]:
    """What is said to people and is given to no gettext. The API's own document is in English."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(code)):
        for one in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(one, ast.Assign) and {getattr(name, "id", "") for name in one.targets} & READ:
                found.append(one.value)
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name != "NinjaAPI":
                found += [one.value for one in node.keywords if one.arg in READ]
                found += node.args[SAYS[name] : SAYS[name] + 1] if name in SAYS else []
    words = [_words(one) for one in found]
    return [text for text in words if re.search(r"[a-z]{3,}", text)]


def _words(value: ast.expr) -> str:
    """The words of a text in quotes; those that are put into it do not count."""
    if isinstance(value, ast.JoinedStr):
        return "".join(str(part.value) for part in value.values if isinstance(part, ast.Constant))
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def test_the_search_for_plain_texts_finds_them() -> None:
    assert _plain_texts('x = F(label="Price")') == ["Price"]
    assert _plain_texts("class Filter:\n    title = 'state'") == ["state"]
    assert _plain_texts('raise ShopError("gone", f"No {it} here", status=404)') == ["No  here"]
    assert not _plain_texts('x = F(label=_("Price")); raise ShopError("gone", message)')


#: Other people's tables, whose own names are in English: the library has no translation for them.
OF_LIBRARIES = {"axes", "otp_totp", "procrastinate"}
#: Stripe's own name, a number sign, and what is written so everywhere.
SAME = {"action_checkbox", "payment_intent", "number"}


@pytest.mark.django_db
def test_every_label_of_the_desk_is_in_russian() -> None:
    request = RequestFactory().get("/ru/admin/")
    request.user = User.objects.create_superuser("owner")
    english = []
    with translation.override("ru"):
        for model, desk in admin.site._registry.items():
            if model._meta.app_label not in OF_LIBRARIES:
                english += [
                    f"{model._meta.label}: {one}" for one in _labels(model, desk, request) if _latin(one)
                ]
    assert not english


def _labels(model: Any, desk: Any, request: Any) -> Iterator[str]:
    yield str(model._meta.verbose_name)
    yield str(model._meta.verbose_name_plural)
    form = desk.get_form(request, model())
    names = [*desk.get_list_display(request), *flatten_fieldsets(desk.get_fieldsets(request, model()))]
    for name in {str(one) if isinstance(one, str) else one for one in names} - SAME:
        field = form.base_fields.get(name)
        yield str(field.label if field else label_for_field(name, model, desk, form=form))
    for title, _options in desk.get_fieldsets(request, model()):
        yield str(title or "-")
    for _name, title in desk.get_action_choices(request):
        yield str(title)
    for inline in desk.get_inline_instances(request):
        for name in flatten_fieldsets(inline.get_fieldsets(request)):
            yield str(label_for_field(name, inline.model, inline))


def _latin(label: str) -> bool:
    return bool(re.search(r"[A-Za-z]{2}", label)) and not re.search(r"[А-Яа-я]", label)


def test_a_file_alone_makes_a_language(tmp_path: Path) -> None:
    folder = tmp_path / "de" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    header = messages.HEADER.format(language="de", plurals="nplurals=2; plural=(n != 1)")
    (folder / "django.po").write_text(header + 'msgid "Buy"\nmsgstr "Kaufen"\n')
    languages.compile_new(tmp_path)
    assert languages.known(tmp_path) == [("en", "English"), ("de", "Deutsch")]
    assert gettext.translation("django", tmp_path, ["de"]).gettext("Buy") == "Kaufen"


def test_a_file_is_compiled_again_only_after_a_change(tmp_path: Path) -> None:
    folder = tmp_path / "ru" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    source, compiled = folder / "django.po", folder / "django.mo"
    source.write_bytes(FILES[0].read_bytes())
    languages.compile_new(tmp_path)
    first = compiled.stat().st_mtime_ns
    languages.compile_new(tmp_path)
    assert compiled.stat().st_mtime_ns == first
    later = compiled.stat().st_mtime + 5
    os.utime(source, (later, later))
    languages.compile_new(tmp_path)
    assert compiled.stat().st_mtime_ns != first
    assert {path.name for path in folder.iterdir()} == {"django.po", "django.mo"}


def test_a_read_only_folder_with_compiled_files_is_used_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "ru" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.po").write_bytes(FILES[0].read_bytes())
    languages.compile_new(tmp_path)
    folder.chmod(0o555)
    try:
        languages.compile_new(tmp_path)
        assert languages.known(tmp_path)[1] == ("ru", "Русский")
    finally:
        folder.chmod(0o755)


def test_a_russian_browser_gets_russian() -> None:
    assert ("ru", "Русский") in settings.LANGUAGES
    with translation.override("ru"):
        assert translation.gettext("Buy") == "Купить"
        assert translation.ngettext("%(n)s item", "%(n)s items", 3) == "%(n)s товара"


def test_russian_keeps_a_number_with_its_unit_and_with_its_sign() -> None:
    """Else a line ends between them."""
    catalog = of(messages.LOCALE / "ru" / "LC_MESSAGES" / "django.po")
    torn = re.compile(r"№ |\)[sd] (?:шт|дн|кБ|МБ)\b")
    assert [text for message in catalog for text in texts(message) if message.id and torn.search(text)] == []
