"""The words of the hosted page and of the Elements: English as they stand in templates, scripts and code, and
Russian here.

Stripe's page speaks some forty languages; amounts are written in all of them here (`rules/money.py`),
sentences in these two. Whatever has no entry stays English: the shop's own texts, and refusals that only
programs meet.
"""

from __future__ import annotations

from collections.abc import Callable

from babel import Locale

Say = Callable[..., str]
RUSSIAN = {
    # the page
    "{count} items": "Товаров: {count}",
    "{count} more": "Ещё {count}",
    "{each} each": "по {each}",
    "{percent} incl.": "{percent}, включено",
    "{percent} off": "скидка {percent}",
    "A local stand-in for Stripe Checkout. Nothing leaves this machine.": (
        "Местная замена Stripe Checkout. Ничто не покидает этот компьютер."
    ),
    "Add promotion code": "Введите промокод",
    "Address": "Адрес",
    "Address line 2 (optional)": "Адрес, вторая строка (необязательно)",
    "Apply": "Применить",
    "Back": "Назад",
    "Back to {name}": "Вернуться в {name}",
    "Billing address": "Адрес плательщика",
    "Book": "Забронировать",
    "Card": "Карта",
    "Card information": "Данные карты",
    "Card number": "Номер карты",
    "Cardholder name": "Имя владельца карты",
    "Choose": "Выберите",
    "City": "Город",
    "Complete": "Подтвердить",
    "Complete order": "Оформить заказ",
    "Contact information": "Контактные данные",
    "Country": "Страна",
    "Discount": "Скидка",
    "Donate": "Пожертвовать",
    "Email": "Электронная почта",
    "Expiration": "Срок действия",
    "Expiration date": "Срок действия",
    "Fail": "Отклонить",
    "First and last name": "Имя и фамилия",
    "Free": "Бесплатно",
    "Full name": "Имя и фамилия",
    "Full name on card": "Имя и фамилия на карте",
    "Hide": "Скрыть",
    "Is this you?": "Это вы?",
    "{merchant} asks for {total} from your card ···· {last4}.": (
        "{merchant}: оплата {total} картой ···· {last4}."
    ),
    "{merchant} wants to save your card ···· {last4}.": "{merchant} хочет сохранить карту ···· {last4}.",
    "A real bank would now ask for a code or a fingerprint. Here you choose how it ends.": (
        "Настоящий банк спросил бы сейчас код или отпечаток пальца. Здесь вы решаете сами."
    ),
    "Local sandbox": "Местная песочница",
    ", no money moves": ", деньги не списываются",
    "MM / YY": "ММ / ГГ",
    "Nothing is due, so no card is asked for.": "Платить не нужно, поэтому карта не требуется.",
    "Pay": "Оплатить",
    "Pay {merchant}": "Оплата: {merchant}",
    "Payment method": "Способ оплаты",
    "Phone number": "Телефон",
    "Postal code": "Почтовый индекс",
    "Processing…": "Обработка…",
    "Promotion code": "Промокод",
    "Qty {quantity}": "Количество: {quantity}",
    "Remove the code": "Убрать промокод",
    "Shipping": "Доставка",
    "Shipping address": "Адрес доставки",
    "Shipping method": "Способ доставки",
    "Show": "Показать",
    "State or region (optional)": "Область или край (необязательно)",
    "Subscribe": "Подписаться",
    "Subtotal": "Промежуточный итог",
    "Test cards and accounts only. Never type a real number here.": (
        "Только тестовые карты и счета. Не вводите настоящий номер."
    ),
    "Test bank accounts": "Тестовые счета",
    "Security code": "Код безопасности",
    "Test cards": "Тестовые карты",
    "Test cards only. Never type a real number here.": ("Только тестовые карты. Не вводите настоящий номер."),
    "Total due": "К оплате",
    "✓ Paid": "✓ Оплачено",
    # the test cards and accounts, beside names of brands
    "Blocked by Radar": "Заблокирована Radar",
    "Declined": "Отклонена",
    "Disputed as fraud": "Спор: мошенничество",
    "Disputed, not received": "Спор: не получено",
    "Expired": "Просрочена",
    "Inquiry": "Запрос банка",
    "Lost card": "Потеряна",
    "Mastercard debit": "Mastercard, дебетовая",
    "Mastercard, 2-series": "Mastercard, серия 2",
    "No money": "Нет денег",
    "Pays": "Платит",
    "Pays after a while": "Платит не сразу",
    "Pays after a while, German": "Платит не сразу, немецкий",
    "Fails after a while": "Отказ не сразу",
    "Fails after a while, German": "Отказ не сразу, немецкий",
    "Processing error": "Ошибка обработки",
    "Refund fails": "Возврат не удаётся",
    "Refund pending": "Возврат ожидает",
    "Saved, then declined": "Сохранена, потом отклонена",
    "Stolen card": "Украдена",
    "Visa debit": "Visa, дебетовая",
    "Wrong CVC": "Неверный CVC",
    "3-D Secure unless set up": "3-D Secure, если не сохранена",
    "3-D Secure, then declined": "3-D Secure, потом отказ",
    # what is wrong
    "Choose a country.": "Выберите страну.",
    "Choose how it is sent.": "Выберите способ доставки.",
    "Enter a card number.": "Введите номер карты.",
    "Enter an IBAN.": "Введите IBAN.",
    "Enter the name on the card.": "Введите имя, указанное на карте.",
    "Enter your address.": "Введите адрес.",
    "Enter your city.": "Введите город.",
    "Enter your email.": "Введите адрес электронной почты.",
    "Enter your full name.": "Введите имя и фамилию.",
    "Enter your phone number.": "Введите номер телефона.",
    "Enter your postal code.": "Введите почтовый индекс.",
    "It cannot be sent there.": "Туда доставки нет.",
    "The total has changed. Look at it, then pay.": "Сумма изменилась. Проверьте её и оплатите.",
    "This code is invalid.": "Этот промокод недействителен.",
    "Your card has expired.": "Срок действия карты истёк.",
    "Your card has insufficient funds.": "На карте недостаточно средств.",
    "Your card number is incomplete.": "Номер карты введён не полностью.",
    "Your card number is incorrect.": "Номер карты неверен.",
    "Your card was declined.": "Карта отклонена.",
    "Your card's expiration date is incomplete.": "Срок действия карты введён не полностью.",
    "Your card's expiration month is invalid.": "Месяц окончания срока действия карты неверен.",
    "Your card's expiration year is invalid.": "Год окончания срока действия карты неверен.",
    "Your card's security code is incomplete.": "Код безопасности карты введён не полностью.",
    "Your card's security code is incorrect.": "Код безопасности карты неверен.",
    "Your card's security code is invalid.": "Код безопасности карты неверен.",
    "Your email is incomplete.": "Адрес электронной почты введён не полностью.",
    "An error occurred while processing your card. Try again in a little bit.": (
        "При обработке карты произошла ошибка. Попробуйте ещё раз чуть позже."
    ),
    "We are unable to authenticate your payment method. Please choose a different payment method and "
    "try again.": ("Не удалось подтвердить этот способ оплаты. Выберите другой и попробуйте ещё раз."),
    # what the shop asks for besides, and cards that are saved
    "Agree to the terms to go on.": ("Чтобы продолжить, примите условия."),
    "By saving your card you let {merchant} charge it later, under its terms.": (
        "Сохраняя карту, вы разрешаете {merchant} списывать с неё позже, по своим условиям."
    ),
    "Choose a country to see it": ("Выберите страну"),
    "Choose one of these.": ("Выберите один из вариантов."),
    "Additional information": ("Дополнительно"),
    "The same as where it is sent": ("Тот же, что адрес доставки"),
    "Fewer": ("Меньше"),
    "Fill in this field.": ("Заполните это поле."),
    "I agree to the terms of service of {merchant}.": ("Я принимаю условия обслуживания {merchant}."),
    "More": ("Больше"),
    "Quantity of {name}": ("Количество: {name}"),
    "Save card": ("Сохранить карту"),
    "Save your card with": ("Сохранить карту в"),
    "Tax": ("Налог"),
    "The quantity of this line cannot be changed.": ("Количество здесь изменить нельзя."),
    "This is too long.": ("Слишком длинно."),
    "This is too short.": ("Слишком коротко."),
    "This quantity is not offered.": ("Такое количество не предлагается."),
    "Use digits only.": ("Только цифры."),
    "Your card is saved": ("Карта сохранена"),
    "{label} (optional)": ("{label} (необязательно)"),
    "{merchant} can charge it from now on, without asking for it again. Nothing is charged today.": (
        "{merchant} сможет списывать с неё, не спрашивая карту снова. Сегодня ничего не спишется."
    ),
    "{merchant} may send me news and offers by email.": (
        "{merchant} может присылать мне новости и предложения по почте."
    ),
    "{name} can charge it from now on.": ("{name} теперь может списывать с неё."),
    # the Elements
    "Address line 2": "Адрес, вторая строка",
    "Apartment, floor (optional)": "Квартира (необязательно)",
    "Optional": "Необязательно",
    "Secure payment input frame": "Защищённое поле для данных оплаты",
    "State or region": "Область или край",
    "Street and number": "Улица и дом",
    "The connection to the sandbox broke. You have not been charged. Please try again.": (
        "Связь с песочницей прервалась. Ничего не списано. Попробуйте ещё раз."
    ),
    "The IBAN you entered is invalid.": "Этот IBAN неверен.",
    "The IBAN you provided is invalid.": "Этот IBAN неверен.",
    "The local sandbox has no wallet (Apple Pay, Google Pay, Link): pay with a card below.": (
        "В местной песочнице нет кошельков (Apple Pay, Google Pay, Link): оплатите картой ниже."
    ),
    "Your IBAN is incomplete.": "IBAN введён не полностью.",
    "Your card number is invalid.": "Номер карты неверен.",
    "Your card's expiration date is in the past.": "Срок действия карты истёк.",
    "Your card's expiration year is in the past.": "Срок действия карты истёк.",
    "Your name is incomplete.": "Имя введено не полностью.",
    "ZIP": "Индекс",
    # the bank's question, and a receipt
    "3-D Secure test": "Проверка 3-D Secure",
    "Authentication complete": "Личность подтверждена",
    "Authentication failed": "Личность не подтверждена",
    "Back to the shop…": "Назад в магазин…",
    "Test bank": "Тестовый банк",
    "The sandbox doesn't know this address.": "Песочница не знает этого адреса.",
    "There is no such payment": "Такого платежа нет",
    "With {source}. Payment {payment}.": "Способ оплаты: {source}. Платёж {payment}.",
    "You can go back to the shop.": "Можно вернуться в магазин.",
    "bank account": "счёт",
    "{total} of it was refunded.": "Возвращено: {total}.",
    "{total} on the way to {merchant}": "{merchant}: {total} в пути",
    "{total} paid to {merchant}": "{merchant}: оплачено {total}",
    # how it ends
    "The time to pay is over and nothing was charged. Go back to {name} and start again.": (
        "Время для оплаты вышло, ничего не списано. Вернитесь в {name} и начните заново."
    ),
    "This page has expired": "Срок действия страницы истёк",
    "This payment is done. It can't be paid twice.": "Платёж завершён. Дважды оплатить его нельзя.",
    "You have paid": "Вы оплатили заказ",
    "Your payment is being processed": "Платёж обрабатывается",
    "{name} will hear as soon as it is through.": "{name} узнает, как только он пройдёт.",
}


def translations(locale: Locale) -> dict[str, str]:
    """Of each sentence what it is in the language of the page; those that are not in it stay English."""
    return RUSSIAN if locale.language == "ru" else {}


def words(locale: Locale) -> Say:
    """`say("Pay {merchant}", merchant="Tea")` in the language of the page; parts are put in as they are."""
    known = translations(locale)

    def say(text: str, **parts: object) -> str:
        found = known.get(text, text)
        return found.format(**parts) if parts else found

    return say
