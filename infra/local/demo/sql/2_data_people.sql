-- People, classes and the timetable. Every value follows from a number by md5, so each machine gets the same school.

CREATE FUNCTION pg_temp.pick(seed text, n integer) RETURNS integer IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
$$ SELECT mod(('x' || substr(md5(seed), 1, 8))::bit(32)::bigint, n)::integer $$;
CREATE FUNCTION pg_temp.one(seed text, among text[]) RETURNS text IMMUTABLE PARALLEL SAFE LANGUAGE sql AS
$$ SELECT among[1 + mod(('x' || substr(md5(seed), 1, 8))::bit(32)::bigint, cardinality(among))::integer] $$;

CREATE TEMPORARY TABLE words (kind text PRIMARY KEY, list text[] NOT NULL);
INSERT INTO words VALUES
('first', '{Anna,Ben,Clara,David,Emma,Felix,Greta,Hannah,Ida,Jonas,Klara,Leon,Mia,Noah,Olivia,Paul,Rosa,Samuel,Tilda,Viktor,Zoë,José,Łukasz,Jürgen,Siân,Nina,Нина,李明,محمد,Ayşe,Chloé,Björn,Søren,Nguyễn,Μαρία,Aoife}'),
('last', '{Meyer,Schmidt,Fischer,Weber,Wagner,Becker,Hoffmann,Schäfer,Koch,Bauer,Richter,Klein,Wolf,Schröder,Neumann,Schwarz,O''Brien,García,Dvořák,Kowalski,Yılmaz,Öztürk,Ivanova,Nguyen,Müller-Lüdenscheidt,van der Berg,d''Arc,Ångström,Papadopoulos,Haddad,王,Østergård}'),
('street', '{Lindenstraße,Am Markt,Schulweg,Gartenstraße,Bahnhofstraße,Bergstraße,Kirchplatz,Mühlenweg,Hauptstraße,Rosenallee}'),
('city', '{Neustadt,Altdorf,Königsberg,Weißensee,Grünau}'),
('language', '{de,en,fr,tr,pl,ru,ar,uk,vi,es,zh}');

CREATE FUNCTION pg_temp.home(seed text) RETURNS address LANGUAGE sql AS
$$ SELECT ROW(pg_temp.one(seed || 's', s.list) || ' ' || 1 + pg_temp.pick(seed || 'n', 120),
              to_char(10000 + pg_temp.pick(seed || 'p', 89999), 'FM00000'), pg_temp.one(seed || 'c', c.list), 'DE')::address
   FROM words s, words c WHERE s.kind = 'street' AND c.kind = 'city' $$;

INSERT INTO school_year VALUES
    (2024, '2024/25', '[2024-08-26,2025-07-24)'),
    (2025, '2025/26', '[2025-08-25,2026-07-23)');
INSERT INTO term VALUES
    (20241, 2024, 'Autumn 2024', '2024-08-26', '2024-12-20'), (20242, 2024, 'Spring 2025', '2025-01-06', '2025-07-23'),
    (20251, 2025, 'Autumn 2025', '2025-08-25', '2025-12-19'), (20252, 2025, 'Spring 2026', '2026-01-05', '2026-07-22');

INSERT INTO subject (code, name, names, weekly_hours) VALUES
    ('MAT', 'Mathematics', '{"de": "Mathematik", "fr": "Mathématiques", "zh": "数学"}', 4),
    ('DEU', 'German', '{"de": "Deutsch", "tr": "Almanca"}', 4),
    ('ENG', 'English', '{"de": "Englisch", "ru": "Английский язык"}', 4),
    ('FRA', 'French', '{"de": "Französisch", "fr": "Français"}', 3),
    ('BIO', 'Biology', '{"de": "Biologie"}', 2),
    ('PHY', 'Physics', '{"de": "Physik", "el": "Φυσική"}', 2),
    ('CHE', 'Chemistry', '{"de": "Chemie"}', 2),
    ('GES', 'History', '{"de": "Geschichte", "note": "the text \"quoted\" and a back\\slash"}', 2),
    ('MUS', 'Music', '{"de": "Musik", "emoji": "🎵"}', 1),
    ('SPO', 'Sport', '{"de": "Sport"}', 2);

INSERT INTO room (name, seats, equipment, seating, place)
SELECT CASE WHEN n <= 45 THEN 'Room ' || n ELSE (ARRAY['Turnhalle', 'Aula', 'Labor "Röntgen"', 'Musiksaal', 'Werkstatt'])[n - 45] END,
       20 + pg_temp.pick('seats' || n, 15),
       CASE n % 4 WHEN 0 THEN '{}' WHEN 1 THEN '{projector,"chalk, white"}' WHEN 2 THEN '{"3 \"smart\" boards",NULL}'
                  ELSE '{projector,piano}' END::text[],
       CASE WHEN n % 3 = 0 THEN '{{1,2,3},{4,5,6}}'::integer[] END,
       point(n % 10, n / 10)
FROM generate_series(1, 50) n;

INSERT INTO staff (first_name, last_name, email, duties, reports_to, hired, home, contract_hours, login)
SELECT pg_temp.one('sf' || n, f.list), pg_temp.one('sl' || n, l.list), 'staff' || n || '@school.example',
       CASE WHEN n = 1 THEN '{head}' WHEN n = 2 THEN '{deputy,teacher}' WHEN n = 3 THEN '{nurse}' WHEN n > 75 THEN '{office}'
            ELSE '{teacher}' END::text[],
       CASE WHEN n = 1 THEN NULL WHEN n <= 6 THEN 1 ELSE 2 + n % 5 END,
       DATE '2001-08-01' + pg_temp.pick('hired' || n, 8400), pg_temp.home('staff' || n),
       CASE n % 5 WHEN 0 THEN 14.50 ELSE 28 END, CASE WHEN n = 3 THEN 'school_readonly' END
FROM generate_series(1, 80) n, words f, words l WHERE f.kind = 'first' AND l.kind = 'last' ORDER BY n;

INSERT INTO class (school_year_id, name, year_group, class_teacher_id, room_id)
SELECT y, g || chr(96 + p), g, 4 + ((g - 1) * 4 + p - 1) % 70, 100 + 10 * ((g - 1) * 4 + p - 1)
FROM generate_series(2024, 2025) y, generate_series(1, 10) g, generate_series(1, 4) p
ORDER BY y, g, p;

-- 40 classes of about 30: pupil n is in class 1 + (n - 1) % 40 of the first year and moves up with it. Those after 1180 came
-- in the second year.
INSERT INTO student (first_name, last_name, born, email, home, languages, profile, photo_consent, joined, "left")
SELECT pg_temp.one('f' || n, f.list), pg_temp.one('l' || n, l.list),
       CASE WHEN n > 1180 THEN DATE '2019-01-01' ELSE DATE '2018-01-01' - (((n - 1) % 40) / 4) * 365 END - pg_temp.pick('born' || n, 365),
       CASE WHEN n % 3 > 0 THEN 'pupil' || n || '@school.example' END, pg_temp.home('student' || n),
       CASE n % 5 WHEN 0 THEN '{}' WHEN 1 THEN ARRAY['de'] ELSE ARRAY['de', pg_temp.one('lang' || n, g.list)] END,
       jsonb_build_object('swims', n % 2 = 0, 'clubs', to_jsonb(ARRAY[pg_temp.one('club' || n, '{chess,choir,theatre,"robots & co"}')]),
                          'locker', CASE WHEN n % 4 > 0 THEN to_jsonb(n) ELSE 'null'::jsonb END, 'note', E'tab\there, "quotes", \\ and ünïcode'),
       CASE n % 7 WHEN 0 THEN NULL WHEN 1 THEN false ELSE true END,
       CASE WHEN n > 1180 THEN DATE '2025-08-25' ELSE DATE '2019-08-01' + pg_temp.pick('joined' || n, 1800) END,
       CASE WHEN n % 97 = 0 AND n <= 1180 THEN DATE '2025-07-24' END
FROM generate_series(1, 1300) n, words f, words l, words g
WHERE f.kind = 'first' AND l.kind = 'last' AND g.kind = 'language' ORDER BY n;

INSERT INTO enrolment
SELECT 10000 + n, 1 + (n - 1) % 40, daterange('2024-08-26', '2025-07-24') FROM generate_series(1, 1180) n
UNION ALL
SELECT 10000 + n, 45 + (n - 1) % 40, daterange('2025-08-25', NULL) FROM generate_series(1, 1180) n
WHERE (n - 1) % 40 < 36 AND n % 97 > 0
UNION ALL
SELECT 10000 + n, 41 + (n - 1) % 4, daterange('2025-08-25', NULL) FROM generate_series(1181, 1300) n;

UPDATE class SET speaker_id = (SELECT min(student_id) FROM enrolment e WHERE e.class_id = class.class_id);

INSERT INTO guardian (first_name, last_name, email, phone, home, speaks)
SELECT pg_temp.one('gf' || n, f.list), pg_temp.one('gl' || n, l.list), 'family' || n || '@mail.example',
       CASE n % 20 WHEN 0 THEN NULL WHEN 1 THEN '0' || 30000000 + n ELSE '+49' || 30000000 + n END,
       CASE WHEN n % 9 > 0 THEN pg_temp.home('student' || (n + 1) / 2) END, ARRAY[pg_temp.one('gs' || n, g.list)]
FROM generate_series(1, 2100) n, words f, words l, words g
WHERE f.kind = 'first' AND l.kind = 'last' AND g.kind = 'language' ORDER BY n;

INSERT INTO student_guardian
SELECT DISTINCT ON (1, 2) 10000 + n, 1 + (2 * n + k) % 2100, CASE k WHEN 0 THEN 'mother' ELSE 'father' END, pg_temp.pick('collect' || n, 9) > 0
FROM generate_series(1, 1300) n, generate_series(0, 1) k;

-- Lesson p of the day begins at 8:00 plus p - 1 hours. Room and teacher move with the class, so nobody is in two places.
INSERT INTO timetable_slot (class_id, subject_id, staff_id, room_id, weekday, at)
SELECT 40 + c, 1 + (c + d * 6 + p) % 10, 4 + (c - 1 + p * 2 + d) % 70, 100 + 10 * (c - 1), d,
       time_range(TIME '07:00' + p * INTERVAL '1 hour', TIME '07:45' + p * INTERVAL '1 hour')
FROM generate_series(1, 40) c, generate_series(1, 5) d, generate_series(1, 6) p
ORDER BY c, d, p;

INSERT INTO health_note (student_id, note, severity)
SELECT 10000 + n, pg_temp.one('health' || n, '{"Nut allergy: carries an EpiPen®","Asthma, spray in the office","Diabetes type 1","Wears lenses"}'),
       1 + pg_temp.pick('sev' || n, 3)
FROM generate_series(1, 1180, 14) n;

INSERT INTO "Schüler-Ausweis" (student_id, "gültig bis", "Größe (cm)", "Karte ""alt""")
SELECT 10000 + n, DATE '2026-07-31' + 365 * pg_temp.pick('valid' || n, 3), CASE WHEN n % 6 > 0 THEN 110 + pg_temp.pick('cm' || n, 80) END, n % 11 = 0
FROM generate_series(1, 1180) n;

INSERT INTO bus_route SELECT n, 'Linie ' || n, CASE WHEN n < 6 THEN 'Stadtwerke' END,
    '<line n="' || n || '"><from>Grünau &amp; Hof</from></line>' FROM generate_series(1, 6) n;
INSERT INTO bus_stop
SELECT r, p, pg_temp.one('stop' || r || '/' || p, s.list) || ' ' || p, point(48 + r / 10.0, 9 + p / 10.0), TIME '06:50' + p * INTERVAL '4 minutes'
FROM generate_series(1, 6) r, generate_series(1, 12) p, words s WHERE s.kind = 'street';
INSERT INTO student_transport
SELECT 10000 + n, 1 + pg_temp.pick('route' || n, 6), 1 + pg_temp.pick('stop' || n, 12), (n * 977)::bit(24)
FROM generate_series(1, 1180, 3) n;

INSERT INTO setting VALUES
    ('school.name', '"Gymnasium am Markt"', '"Gymnasium  am Markt"'),
    ('grading.scale', '{"best": 1, "worst": 6, "pass": 4.0}', '{"best": 1,   "worst": 6, "worst": 6}'),
    ('holidays', '["2025-10-06", "2025-12-24", null]', NULL),
    ('greeting', '"Grüß Gott\nLine two\t– \\\\ and \u2028"', NULL);
INSERT INTO web_session
SELECT md5('session' || n)::uuid, n, ('10.1.0.' || n)::inet, TIMESTAMPTZ '2026-02-02 07:00+00' + n * INTERVAL '1 minute' FROM generate_series(1, 25) n;
