"""Counts in a sequence whatever changes the pages that are kept ready (docs/decisions.md, 9.10).

A sequence: its nextval waits for nobody and makes nobody wait, as a row with a number would.
"""

from django.db import migrations

_MADE = """
CREATE SEQUENCE storefront_changes;
SELECT nextval('storefront_changes'); -- the first call leaves last_value as it is

CREATE FUNCTION storefront_count_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM nextval('storefront_changes');
    RETURN NULL;
END $$;

CREATE FUNCTION storefront_count_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Of an item without a limit nothing can be held.
    IF EXISTS (
        SELECT FROM orders_orderline line JOIN catalog_item item ON item.id = line.item_id
        WHERE line.order_id = NEW.order_id AND item.stock IS NOT NULL
    ) THEN
        PERFORM nextval('storefront_changes');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER kept_pages AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON catalog_item
FOR EACH STATEMENT EXECUTE FUNCTION storefront_count_change();

CREATE TRIGGER kept_pages AFTER DELETE OR TRUNCATE ON payments_payment
FOR EACH STATEMENT EXECUTE FUNCTION storefront_count_change();

CREATE TRIGGER kept_pages_made AFTER INSERT ON payments_payment
FOR EACH ROW EXECUTE FUNCTION storefront_count_payment();

CREATE TRIGGER kept_pages_changed AFTER UPDATE OF status ON payments_payment
FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION storefront_count_payment();

CREATE TRIGGER kept_pages AFTER UPDATE OF held ON orders_orderline
FOR EACH STATEMENT EXECUTE FUNCTION storefront_count_change();
"""
_GONE = """
DROP TRIGGER kept_pages ON orders_orderline;
DROP TRIGGER kept_pages_changed ON payments_payment;
DROP TRIGGER kept_pages_made ON payments_payment;
DROP TRIGGER kept_pages ON payments_payment;
DROP TRIGGER kept_pages ON catalog_item;
DROP FUNCTION storefront_count_payment();
DROP FUNCTION storefront_count_change();
DROP SEQUENCE storefront_changes;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [
        ("catalog", "0001_initial"),
        ("orders", "0001_initial"),
        ("payments", "0001_initial"),
    ]
    operations = [migrations.RunSQL(_MADE, _GONE)]
