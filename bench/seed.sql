-- Rows of a shop that is years old, for bench/seed.py. A section for each table: its name, "of orders" where its
-- rows are those of the orders %(first)s to %(last)s, and its columns; then what selects them.

-- placed
SELECT n, now() - (%(orders)s - n) * interval '1 day' / %(a_day)s AS made,
    CASE WHEN n > %(orders)s - %(still_open)s THEN 'open'
        WHEN n %% 100 < 80 THEN 'paid'
        WHEN n %% 100 < 84 THEN 'refunded'
        WHEN n %% 100 < 86 THEN 'partly_refunded'
        WHEN n %% 100 < 97 THEN 'expired'
        ELSE 'cancelled'
    END AS status,
    n %% 100 < 86 AND n <= %(orders)s - %(still_open)s AS was_paid,
    n %% 1000 = 999 AND n <= %(orders)s - %(still_open)s AS in_review,
    (ARRAY['usd', 'usd', 'usd', 'eur', 'gbp', 'sek'])[1 + n %% 6] AS currency,
    'buyer' || n * 7919 %% %(orders)s || '@example.com' AS email,
    md5(n::text) AS hash,
    -- Item 1 is in a tenth of all orders.
    CASE WHEN n %% 10 = 0 THEN 1 ELSE 2 + n %% (%(items)s - 1) END AS item,
    CASE WHEN n %% 2 = 0 THEN 2 + (n * 7 + 3) %% (%(items)s - 1) END AS second_item,
    1 + n %% 3 AS quantity
FROM generate_series(%(first)s::bigint, %(last)s) AS n

-- catalog_item: id, name, description, price, currency, image, active, shipped, position, created
SELECT n, 'Thing ' || n, '', 1500, 'usd', '', true, false, 0, now() FROM generate_series(1, %(items)s) AS n

-- catalog_tax: id, display_name, percentage, inclusive, country, state, jurisdiction, is_default, active
SELECT 1, 'VAT', 19, true, '', '', '', false, true

-- orders_order of orders: id, currency, status, subtotal, discount_total, tax_total, tax_included, total,
--   visitor, key, buy_item_id, discount_name, terms, email, ship_to, created, paid_at,
--   receipt
SELECT n, currency, status, sum, 0, 0, 0, sum, hash, left(hash || n, 32), item, '', hash || hash,
    CASE WHEN was_paid THEN email ELSE '' END, '', made, CASE WHEN was_paid THEN made END,
    CASE WHEN was_paid THEN n / 100 * 86 + n %% 100 END
FROM placed, LATERAL (SELECT 1500 * quantity + CASE WHEN second_item <> item THEN 2500 ELSE 0 END AS sum) AS lines

-- orders_receiptcounter: id, last
SELECT 1, coalesce(max(receipt), 0) FROM orders_order

-- orders_orderline of orders: order_id, item_id, name, unit_price, quantity, discount_amount, tax_amount,
--   tax_included, total
SELECT n, item, 'Thing ' || item, 1500, quantity, 0, 0, 0, 1500 * quantity FROM placed
UNION ALL
SELECT n, second_item, 'Thing ' || second_item, 2500, 1, 0, 0, 0, 2500 FROM placed WHERE second_item <> item

-- orders_ordertax of orders: order_id, tax_id, display_name, percentage, inclusive, amount
SELECT n, 1, 'VAT', 19, true, 0 FROM placed WHERE n %% 3 = 0

-- orders_ordernote of orders: order_id, text, created
SELECT n, 'The bank took its time.', made FROM placed WHERE n %% 10 = 0

-- payments_payment of orders: id, order_id, account, kind, key, stripe_id, payment_intent, url, status, amount,
--   currency, attempt, inputs, fingerprint, asked_at, expires_at, paid_at, card_brand, card_last4, problem,
--   review_reason, created
SELECT n, n, 'default', CASE WHEN n %% 4 = 0 THEN 'intent' ELSE 'checkout' END, hash::uuid, 'cs_test_' || n,
    CASE WHEN was_paid OR in_review THEN 'pi_' || n ELSE '' END, 'https://checkout.stripe.com/c/' || hash,
    CASE WHEN was_paid THEN 'paid'
        WHEN in_review THEN 'needs_review'
        WHEN status = 'open' THEN 'open'
        ELSE 'expired'
    END,
    1500 * quantity + CASE WHEN second_item <> item THEN 2500 ELSE 0 END, currency, 1,
    jsonb_build_object('mode', 'payment', 'order', hash), hash || hash, made, made + interval '31 minutes',
    CASE WHEN was_paid THEN made END, 'visa', '4242', '', CASE WHEN in_review THEN 'cancelled' ELSE '' END, made
FROM placed

-- refunds_refund of orders: id, order_id, payment_id, account, key, stripe_id, status, amount, currency, source,
--   reason, comment, requested_by, allocation, inputs, problem, asked_at, created
SELECT n, n, n, 'default', hash::uuid, 're_' || n, 'succeeded',
    CASE WHEN status = 'partly_refunded' THEN 100
        ELSE 1500 * quantity + CASE WHEN second_item <> item THEN 2500 ELSE 0 END
    END, currency,
    CASE WHEN in_review THEN 'shop' WHEN n %% 2 = 0 THEN 'staff' ELSE 'stripe' END, '', '',
    CASE WHEN n %% 2 = 0 THEN 'clerk' || n %% 5 ELSE '' END, '[]', '{}', '',
    made + interval '2 days', made + interval '2 days'
FROM placed WHERE status IN ('refunded', 'partly_refunded') OR in_review

-- refunds_dispute of orders: order_id, payment_id, account, stripe_id, status, reason, amount, currency, due_by,
--   has_evidence, opened, closed, asked_at
SELECT n, n, 'default', 'du_' || n, CASE WHEN is_new THEN 'needs_response' ELSE 'lost' END, 'fraudulent', 1500, currency,
    made + interval '9 days', false, made + interval '2 days',
    CASE WHEN NOT is_new THEN made + interval '20 days' END, made + interval '20 days'
FROM placed, LATERAL (SELECT made > now() - interval '7 days' AS is_new) AS age WHERE was_paid AND n %% 300 = 0

-- orders_shipment of orders: order_id, name, phone, address, carrier, number, link, sent_at, called_off,
--   forgotten, created
SELECT n, CASE WHEN forgotten_at > now() THEN left(hash, 8) || ' Smith' ELSE '' END, '', '{}', 'DHL',
    CASE WHEN is_sent THEN 'JD' || n ELSE '' END, '', CASE WHEN is_sent THEN made + interval '1 day' END,
    status = 'refunded', CASE WHEN forgotten_at <= now() THEN forgotten_at END, made
FROM placed, LATERAL (
    SELECT status <> 'refunded' AND made < now() - interval '3 days' AS is_sent,
        made + %(address_days)s * interval '1 day' AS forgotten_at
) AS parcel WHERE was_paid AND n %% 2 = 0

-- mail_mail of orders: order_id, payment_id, kind, key, "to", subject, text, html, status, tries, problem, due_at,
--   created, sent_at
SELECT n, n, 'receipt', hash::uuid, email, 'Your order ' || n, repeat('Thank you. ', 20),
    repeat('<p>Thank you.</p>', 20), 'sent', 1, '', made, made, made
FROM placed WHERE was_paid

-- webhooks_stripeevent of orders: account, event_id, type, object_id, api_version, payload, status, attempts,
--   outcome, created, received, handled
SELECT 'default', 'evt_' || n || '_' || number, type, prefix || n, '2026-10-28',
    CASE WHEN made > now() - %(payload_days)s * interval '1 day' THEN jsonb_build_object(
        'id', 'evt_' || n, 'type', type, 'data', jsonb_build_object('object', jsonb_build_object(
            'id', prefix || n, 'metadata', jsonb_build_object('kopeck_order', n), 'rest', repeat(hash, 20)
        ))
    ) END,
    becomes, 1, 'Order ' || n || ': payment is paid.', made, made, made
FROM placed CROSS JOIN (VALUES
    (1, 'checkout.session.completed', 'cs_test_', 'done'),
    (2, 'payment_intent.succeeded', 'pi_', 'ignored'),
    (3, 'charge.succeeded', 'ch_', 'ignored')
) AS each (number, type, prefix, becomes)
WHERE made > now() - %(event_days)s * interval '1 day' AND was_paid

-- backoffice_day: day, currency, orders, amount, refunds, refunded, made, bought
SELECT (now() - n * interval '1 day')::date, currency, 21, 65000, 1, 3000, 25, 21
FROM generate_series(1, %(orders)s / %(a_day)s) AS n, unnest(ARRAY['usd', 'eur', 'gbp', 'sek']) AS currency

-- backoffice_dayitem: day, item_id, currency, pieces, amount
SELECT (now() - n * interval '1 day')::date, item, 'usd', 2, 3000
FROM generate_series(1, least(36, %(orders)s / %(a_day)s)) AS n, generate_series(1, %(items)s) AS item

-- ops_paidbefore: currency, up_to, orders, amount
SELECT currency, now() - interval '62 days', count(*), sum(total)
FROM orders_order WHERE paid_at < now() - interval '62 days' GROUP BY currency

-- webhooks_cursor: account, up_to
SELECT 'default', now()

-- reconcile_run: account, kind, started, ended, up_to, checked, repaired, "left", trouble
SELECT 'default', kind, now(), now(), now(), 0, 0, 0, ''
FROM unnest(ARRAY['session', 'intent', 'refund', 'dispute', 'event', 'order', 'coupon', 'tax_rate']) AS kind

-- procrastinate_jobs: id, queue_name, task_name, status, args, attempts
SELECT n, 'default', 'kopeck.mail.jobs.send', CASE WHEN n %% 500 = 0 THEN 'failed' ELSE 'succeeded' END,
    jsonb_build_object('mail_id', n), 1
FROM generate_series(1, %(jobs)s) AS n

-- procrastinate_events: job_id, type, at
SELECT n, type, now() - (%(jobs)s - n) * interval '6 days' / %(jobs)s
FROM generate_series(1, %(jobs)s) AS n, unnest(ARRAY['deferred', 'started', 'succeeded']) AS type

-- abuse_budget: key, began, count
SELECT 'address ' || md5(n::text), now() + interval '1 day', 1 FROM generate_series(1, %(budgets)s) AS n
