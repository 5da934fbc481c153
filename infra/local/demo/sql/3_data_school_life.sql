-- What a school writes down day by day: the bulk of the data. Uses the functions and words of 2_data_people.sql.

-- School days: Monday to Friday, without Mondays of every seventh week.
CREATE TEMPORARY TABLE school_day AS
SELECT d::date AS day, t.school_year_id
FROM term t, generate_series(t.first_day::timestamp, least(t.last_day, DATE '2026-02-06')::timestamp, '1 day') d
WHERE extract(isodow FROM d) < 6 AND NOT (extract(isodow FROM d) = 1 AND extract(week FROM d)::integer % 7 = 0);

INSERT INTO attendance (student_id, day, part, mark, minutes_late, note, recorded_by, recorded_at)
SELECT student_id, day, part,
       CASE WHEN h < 15 THEN 'late' WHEN h < 45 THEN 'excused' WHEN h < 50 THEN 'unexcused' WHEN h < 60 THEN 'school trip' ELSE 'present' END::attendance_mark,
       CASE WHEN h < 15 THEN 1 + h END, CASE WHEN h BETWEEN 15 AND 18 THEN E'called in\tby phone' WHEN h = 50 THEN 'Ausflug „Wattenmeer“' END,
       4 + class_id % 70, day + TIME '08:05' + (h % 50) * INTERVAL '1 second'
FROM (SELECT e.student_id, e.class_id, s.day, p.part, pg_temp.pick(e.student_id || 'a' || s.day || p.part, 1000) AS h
      FROM enrolment e JOIN class c USING (class_id) JOIN school_day s USING (school_year_id),
           unnest(enum_range(NULL::session_part)) AS p(part)
      WHERE p.part = 'morning' OR extract(isodow FROM s.day) IN (2, 4)
      ORDER BY s.day, p.part, e.student_id) x;
-- A row that no term's partition takes: the open day in the holidays.
INSERT INTO attendance VALUES (10001, '2026-08-08', 'morning', 'present', NULL, 'open day', 4, '2026-08-08 09:00+02');

INSERT INTO exam (class_id, subject_id, term_id, title, held_on, weight, max_points)
SELECT c.class_id, s.subject_id, t.term_id, s.name || ' ' || k || ', ' || t.name, t.first_day + 25 + k * 35 + s.subject_id,
       CASE k WHEN 1 THEN 1.00 ELSE 1.50 END, 40 + 5 * k
FROM class c JOIN term t USING (school_year_id), subject s, generate_series(1, 2) k
WHERE t.first_day < '2026-01-01' AND s.weekly_hours > 1
ORDER BY c.class_id, t.term_id, s.subject_id, k;

INSERT INTO grade
SELECT x.exam_id, x.student_id, round(x.max_points * (100 - h) / 100), round((1 + h / 20.0)::numeric, 1),
       CASE WHEN h > 90 THEN 'Please see me.' WHEN h = 0 THEN 'Bravo! 🎉' END
FROM (SELECT e.exam_id, e.max_points, n.student_id, pg_temp.pick('g' || e.exam_id || '/' || n.student_id, 100)::numeric AS h
      FROM exam e JOIN enrolment n USING (class_id) ORDER BY e.exam_id, n.student_id) x
WHERE pg_temp.pick('ill' || x.exam_id || '/' || x.student_id, 25) > 0;

CREATE TEMPORARY TABLE sentence AS
SELECT row_number() OVER () AS n, s FROM unnest(ARRAY[
    'the class trip to the Wadden Sea begins on Monday at 7:45 in front of the gym.', 'Please send rubber boots, a rain coat and a packed lunch.',
    'The parents'' evening has been moved to the assembly hall ("Aula").', 'Wir bitten um Rückgabe der unterschriebenen Einwilligung bis Freitag.',
    'Your child forgot the homework three times this week.', 'We were very happy with the progress in reading.',
    'A reminder: phones stay in the locker, \ no exceptions.', 'Sayın veliler, toplantı saat 18:00''de başlayacaktır.',
    'The choir is looking for voices; no experience needed 🎶.', 'Next week the canteen offers a vegan menu on Tuesday & Thursday.',
    'Уважаемые родители, собрание перенесено на четверг.', 'Please check the lost-and-found box; it is full again.',
    'The marks of the second exam are in the portal.', 'There will be no sport on Wednesday because the hall is being repaired.',
    'Price per person: 12,50 €; please transfer the amount by the 15th.', 'Line one' || E'\n' || 'line two' || E'\t' || 'with a tab.',
    'SELECT * FROM students; -- just kidding, greetings from computer science.', '各位家长，请查收附件。', 'Thank you, and a good weekend!',
    'C:\new\table\x is the folder on the school''s computers.']) AS s;

INSERT INTO message (sent_at, from_staff, subject, body, headers)
SELECT TIMESTAMPTZ '2024-09-02 06:00+00' + n * INTERVAL '83 minutes', 4 + n % 70,
       pg_temp.one('subject' || n, '{Class trip,Parents'' evening,Homework,Canteen,"Re: Homework",Einladung,Choir}'),
       E'Dear parents,\n\n' || b.body || E'\n\nKind regards', jsonb_build_object('to', 'class ' || 1 + n % 40, 'id', md5('mid' || n),
       'flags', CASE WHEN n % 3 = 0 THEN '["urgent"]' ELSE '[]' END::jsonb, 'size', length(b.body))
FROM generate_series(1, 7000) n CROSS JOIN LATERAL
     (SELECT string_agg(s.s, ' ' ORDER BY k) AS body FROM generate_series(1, 6 + n % 9) k
      JOIN sentence s ON s.n = 1 + pg_temp.pick('b' || n || '/' || k, 20)) b
ORDER BY n;

INSERT INTO message_recipient
SELECT n, 1 + (n * 13 + k * 7) % 2100, CASE WHEN pg_temp.pick('read' || n || '/' || k, 5) > 0
       THEN TIMESTAMPTZ '2024-09-02 06:00+00' + n * INTERVAL '83 minutes' + k * INTERVAL '17 minutes' END
FROM generate_series(1, 7000) n, generate_series(1, 6) k;

INSERT INTO document
SELECT md5('document' || n)::uuid, 10000 + n * 5, 'Report ' || n || CASE WHEN n % 10 = 0 THEN ' (Ä/Ö).pdf' ELSE '.pdf' END, 'application/pdf',
       '\x255044462d312e370a'::bytea || c.content
FROM generate_series(1, 200) n CROSS JOIN LATERAL
     (SELECT string_agg(decode(md5('doc' || n || '/' || k), 'hex'), ''::bytea ORDER BY k) AS content FROM generate_series(1, 300 + n) k) c;
INSERT INTO document VALUES (md5('empty')::uuid, 10001, 'An empty file', 'text/plain', '');

-- Large objects get numbers of ours, so that every machine gets the same ones.
INSERT INTO contract_scan
SELECT n, lo_from_bytea((700000 + n)::oid, c.content), 1 + n % 4
FROM generate_series(1, 24) n CROSS JOIN LATERAL
     (SELECT string_agg(decode(md5('scan' || n || '/' || k), 'hex'), ''::bytea ORDER BY k) AS content FROM generate_series(1, 1000 + 100 * n) k) c;
COMMENT ON LARGE OBJECT 700001 IS 'The head''s contract';

INSERT INTO meal
SELECT d.day, c, pg_temp.one(d.day || c, '{"Käsespätzle","Fish & chips",Linsensuppe,Köfte,"Pasta \"al dente\"",Pierogi,Ratatouille,Curry}'),
       CASE pg_temp.pick('al' || d.day || c, 3) WHEN 0 THEN '{}' WHEN 1 THEN '{gluten,milk}' ELSE '{nuts}' END::text[], 3.90 + pg_temp.pick(c || d.day, 5) * 0.1
FROM school_day d, unnest('{A,B,V}'::text[]) c;
INSERT INTO meal_order
SELECT 10000 + n, d.day, pg_temp.one('meal' || n || d.day, '{A,B,V}'), d.day - TIME '16:00'
FROM school_day d, generate_series(1, 1300) n WHERE d.day >= '2025-11-01' AND pg_temp.pick('eats' || n || d.day, 100) < 45;

INSERT INTO finance.fee VALUES
    (1, 'Canteen', 62.40, '{"every": "month"}'), (2, 'Bus', 29.00, '{"every": "month"}'), (3, 'Books', 85.00, '{"every": "year"}'),
    (4, 'Class trip', 240.00, NULL), (5, 'Sibling discount', -15.00, '{"from": 2}');
INSERT INTO finance.invoice (student_id, guardian_id, issued, due, state)
SELECT 10000 + n, 1 + (2 * n) % 2100, m::date, m::date + 21,
       CASE WHEN m < '2025-12-01' THEN CASE WHEN pg_temp.pick('inv' || n || m::date, 60) = 0 THEN 'written off' ELSE 'paid' END
            WHEN m < '2026-01-01' THEN 'overdue' WHEN m < '2026-02-01' THEN 'sent' ELSE 'draft' END::finance.invoice_state
FROM generate_series(TIMESTAMP '2024-09-01', TIMESTAMP '2026-02-01', '1 month') m, generate_series(1, 1180) n
WHERE n % 97 > 0 OR m < '2025-07-24' ORDER BY m, n;
INSERT INTO finance.invoice_line (invoice_id, line, fee_id, quantity, unit_price)
SELECT i.invoice_id, row_number() OVER (PARTITION BY i.invoice_id ORDER BY f.fee_id), f.fee_id, CASE f.fee_id WHEN 1 THEN 1 + i.invoice_id % 4 * 0.25 ELSE 1 END, f.amount
FROM finance.invoice i JOIN finance.fee f ON f.fee_id = 1 OR f.fee_id = 2 AND i.student_id % 3 = 1
     OR f.fee_id = 3 AND extract(month FROM i.issued) = 9 OR f.fee_id = 4 AND i.student_id % 9 = 2 AND extract(month FROM i.issued) = 5
     OR f.fee_id = 5 AND i.student_id % 7 = 0;
INSERT INTO finance.payment (invoice_id, received, amount, method, reference)
SELECT i.invoice_id, i.issued + 3 + pg_temp.pick('paid' || i.invoice_id, 17) + TIME '10:30', l.total,
       pg_temp.one('method' || i.invoice_id, '{transfer,direct debit,cash}'), CASE WHEN i.invoice_id % 5 > 0 THEN 'R-' || i.number END
FROM finance.invoice i JOIN (SELECT invoice_id, sum(total) AS total FROM finance.invoice_line GROUP BY 1) l USING (invoice_id)
WHERE i.state = 'paid' ORDER BY i.invoice_id;
SELECT setval('finance.reminder_round', 2, true);

INSERT INTO library.book
SELECT '978' || to_char(1000000000 + n, 'FM0000000000'), pg_temp.one('t1' || n, '{The Secret of,Die Welt der,A Short History of,Das Buch vom,Understanding}') || ' '
       || pg_temp.one('t2' || n, '{Numbers,Sterne,the Sea,Música,Ægir,"Dr. Who?",100% Pure Logic}') || ' ' || n,
       ARRAY(SELECT pg_temp.one('ba' || n || k, l.list) FROM words l, generate_series(1, 1 + n % 3) k WHERE l.kind = 'last'),
       1950 + pg_temp.pick('year' || n, 75), 1 + pg_temp.pick('copies' || n, 5), CASE WHEN n % 4 = 0 THEN (SELECT s FROM sentence WHERE sentence.n = 1 + books.n % 20) END
FROM generate_series(1, 2500) AS books(n);
INSERT INTO library.loan (isbn, student_id, out_on, back_on)
SELECT '978' || to_char(1000000001 + pg_temp.pick('loan' || n, 2500), 'FM0000000000'), 10001 + pg_temp.pick('reader' || n, 1300), d, CASE WHEN n % 8 > 0 THEN d + 14 END
FROM (SELECT n, DATE '2024-09-01' + n / 24 AS d FROM generate_series(1, 12000) n) x;

INSERT INTO audit_log (at, who, table_name, operation, before, after)
SELECT TIMESTAMPTZ '2025-01-07 07:00+00' + n * INTERVAL '11 minutes', 'school_app', 'public.grade', CASE n % 3 WHEN 0 THEN 'INSERT' ELSE 'UPDATE' END,
       CASE WHEN n % 3 > 0 THEN jsonb_build_object('exam_id', n % 2000, 'student_id', 10001 + n % 1180, 'mark', 2.5, 'remark', NULL) END,
       jsonb_build_object('exam_id', n % 2000, 'student_id', 10001 + n % 1180, 'mark', 1 + n % 50 / 10.0, 'remark', 'changed by "office"')
FROM generate_series(1, 24000) n;
