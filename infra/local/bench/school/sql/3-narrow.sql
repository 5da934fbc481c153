-- Rows of numbers, dates and codes, and of people. Runs beside 3-wide.sql.
INSERT INTO school.person
	SELECT n, CASE WHEN make.u(n, 101) < 0.06 THEN 'T' WHEN make.u(n, 101) < 0.45 THEN 'G' ELSE 'P' END, f.name, g.name,
		CASE WHEN make.u(n, 101) < 0.45 THEN date '1965-01-01' + make.pick(n, 104, 9000) ELSE date '2006-01-01' + make.pick(n, 104, 4300) END,
		lower(translate(g.name, 'äöüßãøëéış', 'aousaoeeis') || '.' || translate(f.name, 'äöüßíı', 'aousii')) || n || '@' || (ARRAY['example.org', 'mail.example', 'schule.example', 'post.example'])[make.zipf(n, 105, 4)],
		'+49 ' || 150 + make.pick(n, 106, 29) || ' ' || 1000000 + make.pick(n, 107, 8999999), s.name || ' ' || make.zipf(n, 108, 120), t.postcode + make.pick(n, 110, 9), t.name,
		CASE WHEN make.u(n, 111) < 0.08 THEN 'Allergy: ' || w.word END, make.u(n, 112) < 0.85,
		timestamptz '2019-08-01 08:00+00' + make.u(n, 113) * interval '1800 days', timestamptz '2024-08-01 08:00+00' + make.u(n, 114) * interval '700 days'
	FROM make.upto('person') n
		JOIN make.given g ON g.k = make.zipf(n, 102, 91) JOIN make.family f ON f.k = make.zipf(n, 103, 297)
		JOIN make.street s ON s.k = make.zipf(n, 109, 105) JOIN make.town t ON t.k = make.zipf(n, 110, 20) JOIN make.word w ON w.k = make.pick(n, 111, 4000)
	ORDER BY n;

INSERT INTO school.class
	SELECT n, 2023 + n * 3 / (make.n('class') + 1), 5 + n % 8 || substr('abcde', make.pick(n, 121, 5), 1),
		(ARRAY['Mathematics', 'English', 'German', 'History', 'Physics', 'Biology', 'Geography', 'Music', 'Art', 'Sports', 'French', 'Chemistry'])[make.pick(n, 122, 12)],
		substr('ABC', make.pick(n, 123, 3), 1) || 100 * make.pick(n, 124, 3) + make.pick(n, 125, 20), make.pick(n, 126, make.n('person'))
	FROM make.upto('class') n ORDER BY n;

-- 25 neighbours are in a class: pupils come to a school one year after the other.
INSERT INTO school.enrolment
	SELECT c, 1 + ((make.pick(c, 131, make.n('person')) + m * 3)::bigint % make.n('person')), make_date(2023 + (c * 3 / (make.n('class') + 1))::integer, 8, 1),
		CASE WHEN c * 3 < make.n('class') * 2 THEN make_date(2024 + (c * 3 / (make.n('class') + 1))::integer, 7, 31) END
	FROM make.upto('class') c, generate_series(1, least(25, make.n('person') / 4)) m ORDER BY c, m;

INSERT INTO school.grade
	SELECT n, 1 + ((make.pick(c, 131, make.n('person')) + 3 * make.pick(n, 141, least(25, make.n('person') / 4)))::bigint % make.n('person')), c,
		(ARRAY['SA', 'KA', 'MD', 'PR', 'HA', 'TE'])[make.zipf(n, 142, 6)],
		CASE WHEN make.u(n, 143) < 0.5 THEN 1 + make.pick(n, 144, 4) ELSE 1 + make.pick(n, 145, 10) / 2.0 END,
		(ARRAY[1, 1, 1, 0.5, 2])[make.pick(n / 25, 146, 5)], date '2023-08-21' + (n * 1050 / make.n('grade'))::integer
	FROM (SELECT n, make.pick(n / 25, 147, make.n('class')) AS c FROM make.upto('grade') n) g ORDER BY n;

INSERT INTO school.lesson
	SELECT n, make.pick(n, 151, make.n('class')), date '2023-08-21' + (n * 1050 / make.n('lesson'))::integer, 1 + n % 9, initcap(w.word) || ' ' || v.word
	FROM make.upto('lesson') n JOIN make.word w ON w.k = make.zipf(n, 152, 4000) JOIN make.word v ON v.k = make.zipf(n, 153, 4000) ORDER BY n;

-- A lesson's list is sent at once, so its rows have one time.
INSERT INTO school.attendance
	SELECT l.id, 1 + ((make.pick(l.class_id, 131, make.n('person')) + m * 3)::bigint % make.n('person')),
		CASE WHEN make.u(l.id * 32 + m, 161) < 0.93 THEN 'P' ELSE substr('AEL', make.pick(l.id * 32 + m, 162, 3), 1) END,
		CASE WHEN make.u(l.id * 32 + m, 161) < 0.015 THEN 5 * make.pick(l.id * 32 + m, 163, 6) ELSE 0 END, make.pick(l.class_id, 126, make.n('person')),
		l.held_on + time '07:45' + (l.period - 1) * interval '55 minutes' + make.u(l.id, 164) * interval '40 minutes'
	FROM school.lesson l, generate_series(1, least(25, make.n('person') / 4)) m ORDER BY l.id, m;

INSERT INTO school.invoice
	SELECT n, make.pick(n, 171, make.n('person')), 'RE-' || 2023 + n * 3 / (make.n('invoice') + 1) || '-' || to_char(n, 'FM000000'),
		(ARRAY['Lunch', 'Trip', 'Books', 'Copies', 'Locker', 'Music lessons'])[make.zipf(n, 172, 6)], (ARRAY[48.50, 12, 35, 5, 20, 64.90])[make.pick(n, 173, 6)] * make.zipf(n, 174, 5),
		date '2023-09-15' + (n * 1050 / make.n('invoice'))::integer, CASE WHEN make.u(n, 175) < 0.9 THEN timestamptz '2023-09-01 09:00+00' + (n * 1050 / make.n('invoice') + make.u(n, 176) * 20) * interval '1 day' END
	FROM make.upto('invoice') n ORDER BY n;
