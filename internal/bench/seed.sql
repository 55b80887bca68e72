-- The data of the bench: the same rows on every machine and in every run. All that looks random is taken from md5 of a row's
-- number, and ids are made from a row's kind and number, so that a child finds its parent's id without a join.
-- Each function uses each parameter once and the subselects end in OFFSET 0, so that PostgreSQL inlines the functions and computes
-- each value once: a fifth of the time.
-- The settings bench.customers, .contacts, .documents and .events say how many rows; accounts are always 10.

CREATE SCHEMA bench;

-- hash gives 31 pseudo-random bits of a row's number and a purpose.
CREATE FUNCTION bench.hash(purpose text, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT ('x' || substr(md5(purpose || n), 1, 8))::bit(32)::bigint & 2147483647 $$;

-- at spreads the rows of a kind over three years, in the order of their numbers.
CREATE FUNCTION bench.at(n bigint, total bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT timestamptz '2023-01-02 08:00:00+00' + n * (interval '1090 days' / total) $$;

-- id is a UUIDv7 of a kind, a row's number and its time.
CREATE FUNCTION bench.id(kind text, n bigint, at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT overlay(overlay(md5(kind || n) PLACING lpad(to_hex(floor(extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' FROM 1 FOR 13)
   PLACING '8' FROM 17 FOR 1)::uuid $$;

CREATE FUNCTION bench.account(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT bench.id('account', n, '2023-01-01 00:00:00+00') $$;

CREATE FUNCTION bench.account_of(customer bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT customer % 10 $$;

CREATE FUNCTION bench.total(what text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT current_setting('bench.' || what)::bigint $$;

CREATE FUNCTION bench.customer(n bigint, total bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT bench.id('customer', n, bench.at(n, total)) $$;

CREATE FUNCTION bench.document(n bigint, total bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT bench.id('document', n, bench.at(n, total)) $$;

CREATE FUNCTION bench.staff(customer bigint, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT bench.id('staff', bench.account_of(customer) * 5 + n % 5, '2023-01-01 00:00:00+00') $$;

CREATE FUNCTION bench.pick(list text[], h bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT list[1 + h % array_length(list, 1)] $$;

CREATE FUNCTION bench.given(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT bench.pick('{Anna,Bruno,Carla,David,Elif,Frida,Georg,Hanna,Ibrahim,Jana,Karim,Lena,Mehmet,Nora,Oskar,Paula,Quentin,Rosa,Stefan,
Tilda,Ulrich,Vera,Wanda,Xaver,Yasmin,Zoe}'::text[], bench.hash('given', n)) $$;

CREATE FUNCTION bench.family(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT bench.pick('{Adler,Becker,Conrad,Dietrich,Engel,Fischer,Graf,Hoffmann,Iversen,Jansen,Keller,Lorenz,Maier,Neumann,Otto,Peters,
Quandt,Richter,Schulz,Thoma,Ullrich,Vogel,Wagner,Xander,Yilmaz,Zimmer}'::text[], bench.hash('family', n))
   || bench.pick('{"",son,mann,berg,feld,hardt}'::text[], bench.hash('family2', n)) $$;

INSERT INTO account (id, name, oidc_audience, oidc_algorithms, role_claim, max_file_bytes, event_seq, event_floor, created_at)
SELECT bench.account(n), 'Business ' || n, 'dossier', '["RS256"]', 'dossier_role', 4000000000, bench.total('events') / 10, 0, '2023-01-01'
FROM generate_series(0, 9) AS n;

INSERT INTO storage_usage (account_id, limit_bytes, used_bytes, reserved_bytes)
SELECT bench.account(n), 1000000000000, 0, 0 FROM generate_series(0, 9) AS n;

INSERT INTO staff_user (id, account_id, created_at, subject, display_name, sort_name, email, role, updated_at)
SELECT bench.staff(n / 5, n), bench.account(n / 5), '2023-01-01', 'staff-' || n, bench.given(n) || ' ' || bench.family(n),
  lower(bench.given(n) || ' ' || bench.family(n)), 'staff' || n || '@example.com', 'EDITOR', '2023-01-01'
FROM generate_series(0, 49) AS n;

INSERT INTO customer (id, account_id, created_at, version, updated_at, created_by_kind, created_by_id, kind, status, display_name,
  sort_name, given_name, family_name, company_name, archived_at)
SELECT bench.customer(n, total), bench.account(bench.account_of(n)), at, 1 + h % 5, at + h % 400 * interval '1 hour', 'STAFF', bench.staff(n, h),
  CASE WHEN company THEN 'COMPANY' ELSE 'PERSON' END, CASE WHEN archived THEN 'ARCHIVED' ELSE 'ACTIVE' END, name, lower(name),
  CASE WHEN company THEN NULL ELSE given END, CASE WHEN company THEN NULL ELSE family END, CASE WHEN company THEN name END,
  CASE WHEN archived THEN at + interval '30 days' END
FROM (SELECT n, total, at, h, company, archived, given, family,
    CASE WHEN company THEN family || ' ' || bench.pick('{Bau,Technik,Dental,Garten,Energie,Logistik}'::text[], h) || ' GmbH ' || h % 1000
      ELSE given || ' ' || family END AS name
  FROM (SELECT n, total, bench.at(n, total) AS at, bench.hash('customer', n) AS h, bench.hash('company', n) % 3 = 0 AS company,
      bench.hash('archived', n) % 25 = 0 AS archived, bench.given(n) AS given, bench.family(n) AS family
    FROM bench.total('customers') AS total, generate_series(1, total) AS n OFFSET 0) AS a OFFSET 0) AS b;

UPDATE account AS a SET active_customers = n.active, archived_customers = n.archived
FROM (SELECT account_id, count(*) FILTER (WHERE status = 'ACTIVE') AS active, count(*) FILTER (WHERE status = 'ARCHIVED') AS archived
  FROM customer GROUP BY account_id) AS n
WHERE n.account_id = a.id;

-- The first contact of a customer, by number, is its primary one.
INSERT INTO contact (id, account_id, created_at, version, updated_at, customer_id, display_name, sort_name, given_name, family_name, role,
  secondary, archived_at)
SELECT bench.id('contact', n, at), bench.account(bench.account_of(c)), at, 1 + n % 3, at, bench.customer(c, customers),
  given || ' ' || family, lower(given || ' ' || family), given, family,
  bench.pick('{Office manager,Owner,Accounting,Technician,Reception}'::text[], bench.hash('role', n)),
  row_number() OVER (PARTITION BY c ORDER BY n) > 1, NULL
FROM (SELECT n, customers, 1 + bench.hash('contact', n) % customers AS c, bench.at(n, total) AS at, bench.given(n + 7) AS given,
    bench.family(n + 7) AS family
  FROM bench.total('customers') AS customers, bench.total('contacts') AS total, generate_series(1, total) AS n OFFSET 0) AS a;

-- Who has e-mail addresses and telephone numbers: every customer and every contact, one, and each fifth of them a second.
CREATE TEMP TABLE owner AS
SELECT a.account_id, a.created_at, a.customer_id, a.contact_id, p AS position, a.sort_name,
  row_number() OVER (ORDER BY a.created_at, a.customer_id, a.contact_id, p) AS n
FROM (SELECT account_id, created_at, id AS customer_id, NULL::uuid AS contact_id, sort_name FROM customer
    UNION ALL SELECT account_id, created_at, customer_id, id, sort_name FROM contact) AS a,
  generate_series(0, 1) AS p
WHERE p = 0 OR bench.hash('second', ('x' || right(coalesce(a.contact_id, a.customer_id)::text, 8))::bit(32)::bigint) % 5 = 0;

INSERT INTO email_address (id, account_id, created_at, customer_id, contact_id, type, position, address, address_key)
SELECT bench.id('email', n, created_at), account_id, created_at, customer_id, contact_id, bench.pick('{WORK,HOME,BILLING}'::text[], n),
  position, address, address
FROM (SELECT *, replace(sort_name, ' ', '.') || n || '@example.com' AS address FROM owner) AS a;

INSERT INTO phone_number (id, account_id, created_at, customer_id, contact_id, type, position, e164, extension)
SELECT bench.id('phone', n, created_at), account_id, created_at, customer_id, contact_id, bench.pick('{MOBILE,WORK,HOME}'::text[], n),
  position, '+4930' || 1000000 + bench.hash('phone', n) % 9000000, NULL
FROM owner;

INSERT INTO postal_address (id, account_id, created_at, customer_id, contact_id, type, position, street_address, address_locality,
  address_region, postal_code, address_country)
SELECT bench.id('address', n, created_at), account_id, created_at, customer_id, contact_id, 'WORK', 0, 'Hauptstr. ' || n % 200, 'Berlin', NULL,
  (10000 + n % 4000)::text, 'DE'
FROM owner WHERE contact_id IS NULL AND position = 0;

INSERT INTO document (id, account_id, created_at, version, updated_at, created_by_kind, created_by_id, customer_id, kind, status, source,
  title, expires_on, current_version_id, archived_at)
SELECT bench.document(n, total), bench.account(bench.account_of(c)), at, 1, at, 'STAFF', bench.staff(c, h), bench.customer(c, customers),
  'UPLOAD', CASE WHEN h % 50 = 0 THEN 'ARCHIVED' ELSE 'ACTIVE' END, bench.pick('{STAFF,CUSTOMER,IMPORT}'::text[], h),
  bench.pick('{Contract,Quote,Photo,Certificate,Report,Letter}'::text[], h) || ' ' || 1000 + h % 9000, NULL,
  bench.id('version', n, at), CASE WHEN h % 50 = 0 THEN at END
FROM (SELECT n, total, customers, 1 + bench.hash('document', n) % customers AS c, bench.at(n, total) AS at, bench.hash('document2', n) AS h
  FROM bench.total('customers') AS customers, bench.total('documents') AS total, generate_series(1, total) AS n OFFSET 0) AS a;

INSERT INTO document_version (id, account_id, created_at, created_by_kind, created_by_id, document_id, number, file_name, content_type,
  size_bytes, sha256, crc32c, object_key, object_generation, state)
SELECT d.current_version_id, d.account_id, d.created_at, d.created_by_kind, d.created_by_id, d.id, 1, replace(d.title, ' ', '_') || '.pdf',
  bench.pick('{application/pdf,image/jpeg,image/png}'::text[], ascii(d.title)), 20000 + length(d.title) * 12345 + ascii(right(d.title, 1)) * 997,
  sha256(d.id::text::bytea), 1, d.account_id || '/' || d.current_version_id, 1, 'AVAILABLE'
FROM document AS d ORDER BY d.created_at, d.id;

-- Each fourth entry tells of a document; of the others each fifth is to come.
INSERT INTO timeline_entry (id, account_id, created_at, version, updated_at, created_by_kind, created_by_id, customer_id, at, kind, title,
  subject_type, subject_id)
SELECT bench.id('entry', n, written), bench.account(bench.account_of(c)), written, 1, written, 'STAFF', bench.staff(c, h),
  bench.customer(c, customers),
  CASE WHEN doc IS NULL AND h % 5 = 0 THEN timestamptz '2090-01-01 00:00:00+00' + h % 500000 * interval '1 hour' ELSE written END,
  CASE WHEN doc IS NULL THEN bench.pick('{VISIT,CALL,TASK}'::text[], h) ELSE 'DOCUMENT_ADDED' END,
  CASE WHEN doc IS NULL THEN bench.pick('{Yearly maintenance,Call back about the offer,Send the measurements,Inspection on site}'::text[], h)
    ELSE 'Document ' || doc || ' was added' END,
  CASE WHEN doc IS NULL THEN NULL ELSE 'Document' END, bench.document(doc, documents)
FROM (SELECT n, customers, documents, doc, 1 + CASE WHEN doc IS NULL THEN bench.hash('entry', n) ELSE bench.hash('document', doc) END % customers AS c,
    bench.at(n, total) AS written, bench.hash('entry2', n) AS h
  FROM (SELECT n, total, customers, documents, CASE WHEN n % 4 = 0 AND n / 4 <= documents THEN n / 4 END AS doc
    FROM bench.total('customers') AS customers, bench.total('documents') AS documents, bench.total('events') AS total,
      generate_series(1, total) AS n OFFSET 0) AS a OFFSET 0) AS b;

-- Event n is number n / 10 of account n % 10.
INSERT INTO event (id, account_id, created_at, created_by_kind, created_by_id, seq, type, customer_id, subject_type, subject_id, changed_fields)
SELECT bench.id('event', n, at), bench.account(c % 10), at, 'STAFF', bench.staff(c, n), 1 + (n - 1) / 10, 'CUSTOMER_UPDATED',
  bench.customer(c, customers), 'Customer', bench.customer(c, customers), '["displayName"]'
FROM (SELECT n, customers, bench.at(n, total) AS at, 1 + (bench.hash('event', n) % (customers / 10) * 10 + n - 1) % customers AS c
  FROM bench.total('customers') AS customers, bench.total('events') AS total, generate_series(1, total) AS n OFFSET 0) AS a;

DROP SCHEMA bench CASCADE;
