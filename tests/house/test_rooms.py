"""The house is as docs/architecture.md draws it, and foreign keys point down."""

from django.apps import apps

from bench import rooms


def room_of(model: type) -> str:
    return model.__module__.split(".")[1]


def test_foreign_keys_point_down() -> None:
    order = rooms.rooms()
    ours = [model for model in apps.get_models() if model.__module__.startswith("kopeck.")]
    keys = [
        (room_of(model), room_of(field.related_model), f"{model.__name__}.{field.name}")
        for model in ours
        for field in model._meta.get_fields()
        if field.concrete and field.related_model in ours
    ]
    assert len(keys) > 10
    assert [key for key in keys if order.index(key[0]) > order.index(key[1])] == []


def test_the_picture_in_the_docs_is_of_todays_imports() -> None:
    text = rooms.PAGE.read_text()
    drawn = text.partition(rooms.BEGIN)[2].partition(rooms.END)[0].strip()
    assert drawn == rooms.page(), "make map WRITE=1 draws it again"


def test_every_room_says_what_it_is_for() -> None:
    for room in rooms.rooms():
        assert rooms.sentence(room).endswith("."), room
