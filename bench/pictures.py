"""`make pictures`: every page of the shop and its admin as people see it, to be looked at.

`python -m bench.pictures [--only WORD] [--readme]` starts a shop in an empty folder, buys in it in both
languages, and photographs each page at 390 and 1280 px, light and dark, into `.pictures/`, with a sheet of
all pages for each kind. `--readme` makes the README's pictures in `docs/pictures` anew instead. `--only`
takes the pages that have this word in their names.
"""

import argparse
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from bench.servers import BASE_DIR, Unexpected, free_port

FOLDER = BASE_DIR / ".pictures"
README = BASE_DIR / "docs" / "pictures"
LANGUAGES = {"en": "en-US", "ru": "ru-RU"}
WIDTHS = {390: 844, 1280: 860}
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
#: A sheet: columns, the width of each, and the height at which a long page is cut, in pixels.
COLUMNS, COLUMN, CUT = 8, 300, 640
#: What is typed at Checkout, as far as it asks.
TYPED = {
    "email": "ada@example.com",
    "phoneNumber": "+15550100",
    "shippingName": "Ada Lovelace",
    "shippingAddressLine1": "1 Mill Lane",
    "shippingLocality": "Springfield",
    "shippingPostalCode": "62704",
    "cardNumber": "4242 4242 4242 4242",
    "cardExpiry": "12 / 34",
    "cardCvc": "123",
    "billingName": "Ada Lovelace",
}
#: Milliseconds; a busy machine is slow.
PATIENCE = 30_000


@contextmanager
def running_shop() -> Iterator[tuple[str, str]]:
    """The address of a shop that has just been started, and the password of its admin."""
    folder = Path(tempfile.mkdtemp(prefix="kopeck-pictures-"))
    ports = {"PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    seller = {"SELLER": "Kopeck Ltd, 1 Mill Lane", "CONTACT_EMAIL": "shop@example.com"}
    env = {**os.environ, **ports, **seller, "DATA_DIR": str(folder), "ENV_FILE": os.devnull}
    env.pop("DJANGO_SETTINGS_MODULE", None)
    command = [sys.executable, "-m", "kopeck_local"]
    run = subprocess.Popen(command, cwd=BASE_DIR, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert run.stdout is not None
        said = ""
        for line in run.stdout:
            said += line
            if "Stop " in line:
                break
        password = re.search(r"password (\S+)", re.sub(r"\x1b\[\d*m", "", said))
        if password is None:
            raise Unexpected("bench.pictures: make run did not become ready.")
        yield f"http://127.0.0.1:{ports['PORT']}", password[1]
    finally:
        run.send_signal(signal.SIGINT)
        run.communicate()
        shutil.rmtree(folder, ignore_errors=True)


def buyers_pages(context: BrowserContext, shop: str) -> dict[str, str]:
    """Buys, orders and leaves open in this browser; by name the addresses of all that can be seen then."""
    page = context.new_page()
    page.goto(f"{shop}/")
    first = page.locator("[data-testid=item]").first.get_attribute("href") or ""
    paid = _bought(page, f"{shop}{first}")
    orders = _ordered(page, shop)
    page.locator("[data-testid=pay]").first.click()
    page.wait_for_url("**/c/pay/**")
    checkout = page.url
    page.goto(f"{shop}{first}")
    page.close()
    return {
        "window": f"{shop}/",
        "item": f"{shop}{first}",
        "item-cancelled": f"{shop}{first}?cancelled",
        "found": f"{shop}/search?q=pot",
        "found-nothing": f"{shop}/search?q=xyzzy",
        "cart": f"{shop}/cart",
        "orders": f"{shop}/orders",
        "payments": f"{shop}/orders/open",
        "order": f"{shop}{orders[0]}",
        "order-dearer": f"{shop}{orders[0]}?notice=price_changed",
        "order-delivered": f"{shop}{orders[1]}",
        "checkout": checkout,
        "paid": paid,
        "orders-of-item": f"{shop}/item/by_order/{first.rpartition('/')[2]}",
        "pay": f"{shop}{orders[1]}/pay",
        "not-found": f"{shop}/nope",
        "sandbox": f"{checkout.partition('/c/')[0]}/",
    }


def _bought(page: Page, item: str) -> str:
    """The address of a paid order of this item."""
    page.goto(item)
    page.click("[data-testid=buy]")
    page.wait_for_url("**/c/pay/**")
    for name, text in TYPED.items():
        if page.locator(f"[name={name}]:visible").count():
            page.fill(f"[name={name}]", text)
    page.click("[data-testid=hosted-payment-submit-button]")
    page.wait_for_selector("[data-order-status=paid]")
    return page.url.split("?")[0]


def _ordered(page: Page, shop: str) -> list[str | None]:
    """Paths of orders of two currencies, with two items each; the page shows them as they wait to be paid."""
    for currency in ("usd", "jpy"):
        page.goto(f"{shop}/", wait_until="networkidle")
        for good in page.locator(f".pick:has([data-currency={currency}])").all()[:2]:
            good.locator("[data-add]").click()
        page.locator("[data-testid=order-button]:visible").first.click()
        page.wait_for_url(re.compile(r"/orders?/"))
    page.goto(f"{shop}/orders/open")
    links = page.locator("[data-testid=order] > .links a:not([data-testid])").all()
    return [link.get_attribute("href") for link in links]


def log_in(context: BrowserContext, shop: str, password: str) -> dict[str, str]:
    """Opens the admin in this browser; by name its home, lists, and the form of each list's first row."""
    page = context.new_page()
    page.goto(f"{shop}/admin/login/")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", password)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{shop}/admin/")
    links = {a.get_attribute("href") or "" for a in page.locator("a[href^='/admin/']").all()}
    found = {"admin-home": f"{shop}/admin/"}
    for link in sorted(link for link in links if re.fullmatch(r"/admin/\w+/\w+/", link)):
        name = "admin-" + link.split("/")[-2]
        found[name] = f"{shop}{link}"
        page.goto(found[name])
        row = page.locator("#result_list tbody th a")
        if row.count():
            found[f"{name}-form"] = f"{shop}{row.first.get_attribute('href')}"
        elif page.locator(".addlink").count():
            found[f"{name}-add"] = f"{shop}{link}add/"
    page.close()
    return found


def photograph(page: Page, address: str, *, whole: bool = True) -> bytes:
    page.goto(address, wait_until="load")
    if address.endswith("/pay"):
        page.wait_for_selector("[data-testid=pay-intent]:enabled")
        # Frames of another site are not painted below what is seen.
        shown: Any = page.viewport_size
        tall = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({**shown, "height": tall})
        page.wait_for_timeout(500)
        picture = page.screenshot(animations="disabled")
        page.set_viewport_size(shown)
        return picture
    page.wait_for_timeout(200)
    return page.screenshot(full_page=whole, animations="disabled")


def sheet(pictures: list[bytes]) -> Image.Image:
    """All pages of a kind beside each other, each cut where it is very long."""
    small = []
    for picture in pictures:
        image = Image.open(io.BytesIO(picture)).convert("RGB")
        image = image.resize((COLUMN, round(image.height * COLUMN / image.width)), Image.Resampling.LANCZOS)
        small.append(image.crop((0, 0, COLUMN, min(image.height, CUT))))
    rows = -(-len(small) // COLUMNS)
    tallest = max(image.height for image in small) + 12
    whole = Image.new("RGB", (COLUMNS * (COLUMN + 12), rows * tallest), "#888")
    for number, image in enumerate(small):
        whole.paste(image, (number % COLUMNS * (COLUMN + 12), number // COLUMNS * tallest))
    return whole


def all_pages(browser: Browser, shop: str, password: str, only: str) -> int:
    """Everything, in every kind, into FOLDER; how many pictures."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    taken = 0
    for language, locale in LANGUAGES.items():
        context = visitor(browser, locale=locale)
        addresses = {**buyers_pages(context, shop), "admin-login": f"{shop}/admin/login/?next=/admin/"}
        addresses = {name: address for name, address in addresses.items() if only in name}
        buyer = context.storage_state()
        context.close()
        context = visitor(browser, locale=locale)
        desk = {name: it for name, it in log_in(context, shop, password).items() if only in name}
        seller = context.storage_state()
        context.close()
        for width, height in WIDTHS.items():
            for theme in THEMES:
                kind = f"{width}-{theme}-{language}"
                size: Any = {"viewport": {"width": width, "height": height}, "color_scheme": theme}
                for part, state, pages in (("shop", buyer, addresses), ("admin", seller, desk)):
                    if not pages:
                        continue
                    context = visitor(browser, locale=locale, storage_state=state, **size)
                    page = context.new_page()
                    pictures = {name: photograph(page, address) for name, address in pages.items()}
                    context.close()
                    (FOLDER / kind).mkdir(parents=True, exist_ok=True)
                    for name, picture in pictures.items():
                        (FOLDER / kind / f"{name}.png").write_bytes(picture)
                    sheet(list(pictures.values())).save(FOLDER / f"{part}-{kind}.png")
                    taken += len(pictures)
    return taken


def readmes(browser: Browser, shop: str) -> int:
    """The README's pictures, those of README.ru.md with `-ru` at the end of their names; how many."""
    taken = 0
    for language, locale in LANGUAGES.items():
        size: Any = {"viewport": {"width": 1280, "height": 860}, "color_scheme": "light"}
        context = visitor(browser, locale=locale, **size)
        addresses = buyers_pages(context, shop)
        page = context.new_page()
        for name in ("shop", "item", "checkout", "paid"):
            picture = photograph(page, addresses["window" if name == "shop" else name], whole=False)
            path = README / f"{name}{'' if language == 'en' else f'-{language}'}.webp"
            Image.open(io.BytesIO(picture)).convert("RGB").save(path, "WEBP", quality=82, method=6)
            taken += 1
        context.close()
    return taken


def visitor(browser: Browser, **options: Any) -> BrowserContext:
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE)
    return context


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.pictures", description="Every page, photographed.")
    parser.add_argument("--only", default="", metavar="WORD", help="pages whose name has this word")
    parser.add_argument("--readme", action="store_true", help="the README's pictures instead")
    asked = parser.parse_args()
    with running_shop() as (shop, password), sync_playwright() as playwright:
        path = shutil.which("chromium") or playwright.chromium.executable_path
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        taken = readmes(browser, shop) if asked.readme else all_pages(browser, shop, password, asked.only)
        browser.close()
    print(f"{taken} pictures are in {README if asked.readme else FOLDER}")


if __name__ == "__main__":
    main()
