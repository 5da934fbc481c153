-- Rows of text, JSON and pictures. Runs beside 3-narrow.sql.
DO $$
DECLARE
	words text[] := make.words();
	people bigint := make.n('person');
	classes bigint := make.n('class');
	sent timestamptz;
	body text;
BEGIN
	FOR n IN 1 .. make.n('message') LOOP
		sent := timestamptz '2023-08-21 06:00+00' + (n * 1050.0 / make.n('message')) * interval '1 day';
		-- 200 to 2,000 characters, the short ones more often
		body := (ARRAY['Dear parents,', 'Dear Mrs. ', 'Dear Mr. ', 'Hello,'])[make.pick(n, 201, 4)] || E'\n\n'
			|| make.prose(n, (200 * exp(make.u(n, 202) * 2.25))::integer, words)
			|| CASE WHEN make.u(n, 203) < 0.7 THEN E'\n\nKind regards\n' || (SELECT name FROM make.family WHERE k = make.zipf(make.zipf(n, 204, people), 103, 297)) ELSE '' END;
		INSERT INTO school.message VALUES (n, make.zipf(n, 204, people), make.pick(n, 205, people),
			CASE WHEN make.u(n, 206) < 0.3 THEN 'Re: ' ELSE '' END || make.prose(make.zipf(n, 207, make.n('message')), 18, words), body, sent,
			CASE WHEN make.u(n, 208) < 0.8 THEN sent + make.u(n, 209) * interval '3 days' END);
	END LOOP;
	FOR n IN 1 .. make.n('report') LOOP
		body := (SELECT name FROM make.given WHERE k = make.zipf(n, 102, 91));
		INSERT INTO school.report VALUES (1 + n % people, 1 + (n / people) % classes, 2023 + n * 3 / (make.n('report') + 1) || '/' || 1 + n % 2,
			body || ' ' || (SELECT text FROM make.stock WHERE k = make.zipf(n, 211, 12)) || ' ' || make.prose(n + 1000000000, (200 * exp(make.u(n, 212) * 1.6))::integer, words)
				|| ' ' || body || ' ' || (SELECT text FROM make.stock WHERE k = make.pick(n, 213, 12)),
			CASE WHEN make.u(n, 214) < 0.9 THEN timestamptz '2024-01-25 10:00+00' + (n % 6) * interval '180 days' + make.u(n, 215) * interval '9 days' END);
	END LOOP;
END $$;

INSERT INTO school.event
	SELECT n, timestamptz '2023-08-21 05:00+00' + (n * 1050.0 / make.n('event')) * interval '1 day',
		(ARRAY['page', 'login', 'search', 'download', 'message.read', 'grade.entered', 'logout', 'password.changed'])[make.zipf(n, 221, 8)],
		jsonb_build_object('user', make.zipf(n, 222, make.n('person')), 'session', substr(md5((n / 7)::text), 1, 16), 'ms', make.zipf(n, 223, 3000),
			'path', (ARRAY['/home', '/class/', '/person/', '/messages/', '/grades/', '/timetable', '/lunch'])[make.zipf(n, 224, 7)] || make.zipf(n, 225, 5000), 'ok', make.u(n, 226) < 0.98)
		|| CASE WHEN n % 3 = 0 THEN jsonb_build_object('client', jsonb_build_object('os', (ARRAY['Android', 'iOS', 'Windows', 'macOS', 'Linux'])[make.zipf(n / 7, 227, 5)],
			'version', '5.' || make.zipf(n / 7, 228, 30), 'width', (ARRAY[390, 412, 1280, 1920, 768])[make.zipf(n / 7, 229, 5)])) ELSE '{}' END
	FROM make.upto('event') n ORDER BY n;

-- Photos and scans of 4 to 80 KB: compressed already, so random bytes behind the same beginning.
INSERT INTO school.document
	SELECT n, make.pick(n, 241, make.n('person')), 'IMG_' || to_char(make.pick(n, 242, 9999), 'FM0000') || CASE WHEN n % 5 = 0 THEN '.pdf' ELSE '.jpg' END,
		CASE WHEN n % 5 = 0 THEN 'application/pdf' ELSE 'image/jpeg' END, timestamptz '2023-08-21 07:00+00' + make.u(n, 243) * interval '1000 days',
		CASE WHEN n % 5 = 0 THEN '\x255044462d312e370a25b5b5b5b50a'::bytea ELSE '\xffd8ffe000104a46494600010101006000600000ffdb0043000302020302020303030304030304'::bytea END
			|| (SELECT string_agg(sha512(int8send(n * 65536 + i)), '') FROM generate_series(1, (64 * exp(make.u(n, 244) * 3))::integer) i)
	FROM make.upto('document') n ORDER BY n;

INSERT INTO school.audit
	SELECT md5('audit' || n)::uuid, timestamptz '2023-08-21 05:00+00' + (n * 1050.0 / make.n('audit')) * interval '1 day', make.zipf(n / 5, 251, make.n('person')),
		('10.' || make.zipf(n / 5, 252, 200) || '.' || make.pick(n / 5, 253, 250) || '.' || make.pick(n / 5, 254, 250))::inet, substr('IUUUD', make.pick(n, 255, 5), 1),
		(ARRAY['attendance', 'grade', 'message', 'enrolment', 'person', 'document', 'invoice'])[make.zipf(n, 256, 7)], make.pick(n, 257, 3000000),
		CASE make.pick(n, 258, 3)
			WHEN 1 THEN jsonb_build_object('old', jsonb_build_object('value', make.pick(n, 259, 6), 'weight', 1), 'new', jsonb_build_object('value', make.pick(n, 260, 6), 'weight', 1))
			WHEN 2 THEN jsonb_build_object('old', jsonb_build_object('status', 'A', 'noted_by', make.pick(n / 5, 261, 9000)), 'new', jsonb_build_object('status', 'E', 'noted_by', make.pick(n / 5, 261, 9000)))
			ELSE jsonb_build_object('new', jsonb_build_object('updated_at', timestamp '2023-08-21 05:00' + (n * 1050.0 / make.n('audit')) * interval '1 day')) END
	FROM make.upto('audit') n ORDER BY n;
