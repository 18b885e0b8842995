"""Every address of the shop on one screen. Each answers with and without a last slash (kopeck/web)."""

from django.contrib import admin
from django.urls import path

from kopeck.api.routes import api
from kopeck.backoffice import home
from kopeck.books.views import forget_page
from kopeck.ops.metrics_page import metrics_page
from kopeck.ops.readiness import healthz, readyz
from kopeck.staff import views as staff
from kopeck.storefront.goods import cart, further_goods, item_page, search, shop_window
from kopeck.storefront.ordering import change_delivery, change_discount, change_lines, place
from kopeck.storefront.pay import buy, buy_order, come_back, intent, order_intent, pay_page
from kopeck.storefront.sharing import sitemap
from kopeck.storefront.views import my_orders, open_orders, order_page, orders_of_item
from kopeck.web.views import favicon, media, robots
from kopeck.webhooks.views import webhook

urlpatterns = [
    path("", shop_window, name="shop"),
    path("after/<int:item_id>", further_goods, name="shop-after"),
    path("search", search, name="search"),
    path("item/<int:item_id>", item_page, name="item"),
    path("buy/<int:item_id>", buy, name="buy"),
    path("item/by_order/<int:item_id>", orders_of_item, name="orders-of-item"),
    path("order", place, name="place"),
    path("cart", cart, name="cart"),
    path("orders", my_orders, name="my-orders"),
    path("orders/open", open_orders, name="open-orders"),
    path("order/<int:order_id>", order_page, name="order"),
    path("order/<int:order_id>/lines", change_lines, name="change-lines"),
    path("order/<int:order_id>/discount", change_discount, name="change-discount"),
    path("order/<int:order_id>/delivery", change_delivery, name="change-delivery"),
    path("order/<int:order_id>/buy", buy_order, name="buy-order"),
    path("intent/<int:item_id>", intent, name="intent"),
    path("order/<int:order_id>/intent", order_intent, name="order-intent"),
    path("order/<int:order_id>/pay", pay_page, name="pay"),
    path("order/<int:order_id>/return", come_back, name="come-back"),
    path("webhooks/stripe/<slug:account_name>", webhook, name="webhook"),
    path("api/v1/", api.urls),
    path("admin/second-factor/", staff.desk, name="second-factor"),
    path("admin/second-factor/token/", staff.token, name="second-factor-token"),
    path("admin/forget/", admin.site.admin_view(forget_page), name="forget-buyer"),
    path("admin/", admin.site.admin_view(home.page)),
    path("admin/", admin.site.urls),
    path("healthz", healthz),
    path("readyz", readyz),
    path("metrics", metrics_page),
    path("robots.txt", robots),
    path("sitemap.xml", sitemap),
    path("favicon.ico", favicon),
    path("media/<path:path>", media),
]
handler400 = "kopeck.web.errors.bad_request"
handler403 = "kopeck.web.errors.forbidden"
handler404 = "kopeck.web.errors.not_found"
handler500 = "kopeck.web.errors.server_error"
