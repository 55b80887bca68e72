-- The directory of one large account: bench.customers customers with contacts, e-mail addresses, telephone numbers and postal
-- addresses, the same in every run. Names are as uneven as real ones: the commonest given name is that of one person in 25, half of the
-- family names are rare. What the search needs is made behind it by Dossier itself, as for customers that are older than the search.

CREATE SCHEMA bench;

CREATE FUNCTION bench.hash(purpose text, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT ('x' || substr(md5(purpose || n), 1, 8))::bit(32)::bigint & 2147483647 $$;

CREATE FUNCTION bench.id(kind text, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT overlay(overlay(md5(kind || n) PLACING lpad(to_hex(1672646400000 + n * 60000), 12, '0') || '7' FROM 1 FOR 13) PLACING '8' FROM 17 FOR 1)::uuid $$;

-- skewed picks from a list, the first ones more often.
CREATE FUNCTION bench.skewed(list text[], h bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT list[1 + floor(array_length(list, 1) * power(h / 2147483648.0, 2))::int] $$;

CREATE FUNCTION bench.given(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT bench.skewed('{Maria,Anna,Peter,Thomas,Michael,Andreas,Sabine,Stefan,Claudia,Martin,Daniel,Susanne,Christian,Julia,Markus,Nicole,Alexander,Petra,
Frank,Katharina,Sandra,Jürgen,Monika,Wolfgang,Birgit,Mehmet,Laura,Marie,Lukas,Elif,Jonas,Lena,Paul,Emma,David,Sarah,Felix,Mario,Ursula,Renate,
Heike,Tobias,Simon,Lea,Noah,Mia,Leon,Hannah,Finn,Ella,Ben,Marion,Marco,Martina,Zoë,Ahmed,Fatma,Ibrahim,Yusuf,Olga,Dmitri,Giulia,Luca,Matteo,
Chloé,René,André,François,Jean,Sven,Björn,Astrid,Ingrid,Kirsten,Torsten,Holger,Uwe,Detlef,Gisela,Helga,Ilse,Quentin,Xaver,Yasmin,Zacharias}'::text[],
  bench.hash('given', n)) $$;

-- family: half of the names from a list, half put together, some 30,000 different ones.
CREATE FUNCTION bench.family(n bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT CASE WHEN bench.hash('rare', n) % 2 = 0 THEN bench.skewed('{Müller,Schmidt,Schneider,Fischer,Weber,Meyer,Wagner,Becker,Schulz,Hoffmann,Koch,Bauer,Richter,
Klein,Wolf,Schröder,Neumann,Schwarz,Zimmermann,Braun,Krüger,Hofmann,Hartmann,Lange,Schmitt,Werner,Schmitz,Krause,Meier,Lehmann,Schmid,
Schulze,Maier,Köhler,Herrmann,König,Walter,Mayer,Huber,Kaiser,Fuchs,Peters,Lang,Scholz,Möller,Weiß,Jung,Hahn,Schubert,Vogel,Friedrich,Keller,
Günther,Frank,Berger,Winkler,Roth,Beck,Lorenz,Baumann,Franke,Albrecht,Schuster,Simon,Ludwig,Böhm,Winter,Kraus,Martin,Schumacher,Krämer,Vogt,
Yilmaz,Kaya,Demir,Öztürk,Novak,Kowalski,Nguyen,Rossi,Silva,Ivanova}'::text[], bench.hash('family', n))
  ELSE (ARRAY['Ab','Al','Bar','Ber','Bor','Bran','Dam','Del','Dor','Eck','Ehr','Fal','Feld','Frei','Gar','Gel','Grün','Hag','Hal','Heim','Hol','Imm','Jar','Kal',
    'Kess','Kor','Lam','Lin','Lob','Mar','Mit','Mor','Nad','Nor','Ost','Pal','Pet','Quan','Rad','Reis','Ros','Sal','San','Seid','Stein','Tan','Thal','Ul','Val','Wald',
    'Wein','Wil','Zan','Zell'])[1 + bench.hash('f1', n) % 54]
  || (ARRAY['a','e','i','o','en','er','el','in','on','ken','gen','den','ten','men','len'])[1 + bench.hash('f2', n) % 15]
  || (ARRAY['bach','berg','burg','dorf','feld','hardt','haus','hof','horst','kamp','mann','meier','muth','rath','ried','see','stein','stett','tal','thal','wald',
    'wasser','weiler','winkel','wirth','wig','ski','vic','sen','son','low','nitz','au','holm','quist','sky','der'])[1 + bench.hash('f3', n) % 37] END $$;

CREATE FUNCTION bench.fold(s text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT replace(translate(lower(s), 'äöüéèëç', 'aoueeec'), 'ß', 'ss') $$;

CREATE FUNCTION bench.total() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT current_setting('bench.customers')::bigint $$;

INSERT INTO account (id, name, oidc_audience, oidc_algorithms, role_claim, max_file_bytes, event_seq, event_floor, created_at)
VALUES (bench.id('account', 0), 'Large business', 'dossier', '["RS256"]', 'dossier_role', 5000000, 0, 0, '2023-01-01');
INSERT INTO storage_usage (account_id, limit_bytes, used_bytes, reserved_bytes) VALUES (bench.id('account', 0), 1000000000, 0, 0);

INSERT INTO customer (id, account_id, created_at, version, updated_at, kind, status, display_name, sort_name, family_sort_name, given_name, family_name,
  company_name, external_id, external_key, created_via, archived_at)
SELECT bench.id('customer', n), bench.id('account', 0), timestamptz '2023-01-02' + n * interval '1 minute', 1,
  timestamptz '2023-01-02' + n * interval '1 minute' + h % 400 * interval '1 hour', CASE WHEN company THEN 'COMPANY' ELSE 'PERSON' END,
  CASE WHEN archived THEN 'ARCHIVED' ELSE 'ACTIVE' END, name, bench.fold(name),
  bench.fold(CASE WHEN company THEN name ELSE family || ' ' || given END), CASE WHEN NOT company THEN given END,
  CASE WHEN NOT company THEN family END, CASE WHEN company THEN name END,
  CASE WHEN h % 2 = 0 THEN 'C' || n END, CASE WHEN h % 2 = 0 THEN 'C' || n ELSE '' END,
  (ARRAY['STAFF','BOOKING','IMPORT','API'])[1 + h % 4], CASE WHEN archived THEN timestamptz '2025-06-01' END
FROM (SELECT n, h, company, archived, given, family,
    CASE WHEN company THEN family || ' ' || (ARRAY['Bau','Technik','Dental','Garten','Energie','Logistik','Praxis','Hotel','Elektro','Metall','Studio','Immobilien'])[1 + h % 12]
      || (ARRAY[' GmbH',' AG',' KG',' e.K.',''])[1 + h % 5] ELSE given || ' ' || family END AS name
  FROM (SELECT n, bench.hash('customer', n) AS h, bench.hash('company', n) % 100 < 35 AS company, bench.hash('archived', n) % 25 = 0 AS archived,
      bench.given(n) AS given, bench.family(n) AS family FROM generate_series(1, bench.total()) AS n OFFSET 0) AS a OFFSET 0) AS b;

UPDATE account SET active_customers = (SELECT count(*) FROM customer WHERE status = 'ACTIVE'), archived_customers = (SELECT count(*) FROM customer WHERE status = 'ARCHIVED');

-- Companies have one to three contacts, each fifth person has one.
INSERT INTO contact (id, account_id, created_at, version, updated_at, customer_id, display_name, sort_name, given_name, family_name, secondary, archived_at)
SELECT bench.id('contact', n * 3 + k), bench.id('account', 0), '2023-01-02', 1, '2023-01-02', bench.id('customer', n), given || ' ' || family,
  bench.fold(given || ' ' || family), given, family, k > 0, CASE WHEN k = 2 AND n % 3 = 0 THEN timestamptz '2025-01-01' END
FROM (SELECT n, k, bench.given(n * 3 + k + 50000000) AS given, bench.family(n * 3 + k + 50000000) AS family
  FROM generate_series(1, bench.total()) AS n, generate_series(0, 2) AS k
  WHERE CASE WHEN bench.hash('company', n) % 100 < 35 THEN k <= bench.hash('contacts', n) % 3 ELSE k = 0 AND n % 5 = 0 END OFFSET 0) AS a;

CREATE TEMP TABLE owner AS
SELECT customer_id, contact_id, sort_name, row_number() OVER (ORDER BY customer_id, contact_id) AS n
FROM (SELECT id AS customer_id, NULL::uuid AS contact_id, sort_name FROM customer UNION ALL SELECT customer_id, id, sort_name FROM contact) AS a;

INSERT INTO email_address (id, account_id, created_at, customer_id, contact_id, type, position, address, address_key)
SELECT bench.id('email', n), bench.id('account', 0), '2023-01-02', customer_id, contact_id, 'WORK', 0, address, address
FROM (SELECT n, customer_id, contact_id, replace(replace(sort_name, ' ', '.'), '..', '.') || CASE WHEN h % 3 = 0 THEN '' ELSE (h % 1000)::text END || '@' ||
    CASE WHEN h % 10 < 6 THEN (ARRAY['gmail.com','gmx.de','web.de','outlook.com','t-online.de'])[1 + h % 5]
      ELSE split_part(sort_name, ' ', 1) || '-' || h % 5000 || '.example.com' END AS address
  FROM (SELECT *, bench.hash('email', n) AS h FROM owner) AS o WHERE h % 4 > 0) AS a;

INSERT INTO phone_number (id, account_id, created_at, customer_id, contact_id, type, position, e164)
SELECT bench.id('phone', n), bench.id('account', 0), '2023-01-02', customer_id, contact_id, 'MOBILE', 0,
  (ARRAY['+4930','+4989','+49170','+49151','+4176','+43664'])[1 + h % 6] || 1000000 + h % 9000000
FROM (SELECT *, bench.hash('phone', n) AS h FROM owner) AS a WHERE h % 5 > 0;

INSERT INTO postal_address (id, account_id, created_at, customer_id, contact_id, type, position, street_address, address_locality, postal_code,
  address_country, locality_key, postal_key)
SELECT bench.id('address', n), bench.id('account', 0), '2023-01-02', customer_id, contact_id, 'WORK', 0, 'Hauptstr. ' || n % 200, town, postcode, 'DE',
  bench.fold(town), postcode
FROM (SELECT n, customer_id, contact_id, bench.skewed('{Berlin,Hamburg,München,Köln,Frankfurt,Stuttgart,Düsseldorf,Leipzig,Dortmund,Essen,Bremen,Dresden,Hannover,
    Nürnberg,Duisburg,Bochum,Wuppertal,Bielefeld,Bonn,Münster}'::text[], bench.hash('town', n)) AS town, lpad((bench.hash('postcode', n) % 99999)::text, 5, '0') AS postcode
  FROM owner WHERE contact_id IS NULL AND n % 2 = 0) AS a;

DROP SCHEMA bench CASCADE;
