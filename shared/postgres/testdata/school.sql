-- A database that holds what is awkward to dump and restore. Run by a superuser; @app, @other and @reader are roles.
CREATE EXTENSION hstore SCHEMA public;
CREATE SCHEMA "Größe" AUTHORIZATION @app;
CREATE SCHEMA reports AUTHORIZATION @other;
GRANT USAGE ON SCHEMA "Größe" TO @reader;
CREATE FUNCTION public.is_leakproof(a int) RETURNS boolean LANGUAGE sql IMMUTABLE LEAKPROOF AS 'SELECT a > 0';
ALTER FUNCTION public.is_leakproof(int) OWNER TO @app;
SET ROLE @app;

CREATE DOMAIN public.email AS text CONSTRAINT has_at CHECK (VALUE ~ '@');
CREATE TYPE public.weekday AS ENUM ('mon', 'tue', 'it''s "quoted"');
CREATE TYPE public.address AS (street text, zip varchar(10));
CREATE TYPE public.span AS RANGE (subtype = int4);
CREATE COLLATION public.german_c FROM "C";
CREATE SEQUENCE public.loose START 7 INCREMENT -3 MINVALUE -100 MAXVALUE 10;
SELECT nextval('public.loose'), nextval('public.loose'), nextval('public.loose'), nextval('public.loose');
CREATE SEQUENCE public.unused START 5;

CREATE TABLE public.student (
	id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 5) PRIMARY KEY,
	name text NOT NULL COLLATE "C", mail public.email, day public.weekday[] DEFAULT '{mon}', home public.address, seats public.span,
	tags public.hstore, doc jsonb DEFAULT '{"a": [1, "zwei"]}', raw bytea, born date, at timestamptz DEFAULT '2026-01-02 03:04:05.678+02',
	pause interval DEFAULT '-1 day -02:03:04', price numeric(12,4) DEFAULT 'NaN', f float8 DEFAULT '-Infinity',
	upper_name text GENERATED ALWAYS AS (upper(name)) STORED,
	CONSTRAINT short CHECK (length(name) < 200)
) WITH (fillfactor = 70);
INSERT INTO public.student (name, mail, raw, tags, home, seats, born) SELECT
	CASE i % 5 WHEN 0 THEN E'tab\there\nline \\. back\\slash' WHEN 1 THEN 'Zoë "Ü" 🎒' WHEN 2 THEN '\.' WHEN 3 THEN '\restrict x' ELSE '' || i END,
	CASE WHEN i % 3 = 0 THEN i || '@school.example' END, decode(md5(i::text), 'hex'), hstore('k' || i, NULL), ROW('a,"b', NULL)::public.address,
	int4range(i, i + 3)::text::public.span, date '2010-01-01' + i FROM generate_series(1, 2000) i;
COMMENT ON TABLE public.student IS E'It''s a "table"\nwith lines; and -- no comment';
COMMENT ON COLUMN public.student.name IS 'ünïcode';
CREATE INDEX student_lower ON public.student (lower(name)) WHERE id > 5;
CREATE STATISTICS public.student_stats ON name, born FROM public.student;
ALTER TABLE public.student ALTER name SET STATISTICS 500, ALTER raw SET STORAGE EXTERNAL;
ALTER TABLE public.student ADD CONSTRAINT old_rows CHECK (born > '2015-01-01') NOT VALID;

CREATE TABLE public."Tabelle mit
Zeile und ""Anführung""" ("Spalte ""x""" int PRIMARY KEY, "select" text);
INSERT INTO public."Tabelle mit
Zeile und ""Anführung""" VALUES (1, 'eins'), (2, NULL);
CREATE TABLE public.no_columns ();
INSERT INTO public.no_columns DEFAULT VALUES;
INSERT INTO public.no_columns DEFAULT VALUES;
INSERT INTO public.no_columns DEFAULT VALUES;
CREATE TABLE public.no_rows (a int);
CREATE UNLOGGED TABLE public.scratch (a int);
INSERT INTO public.scratch VALUES (1);

CREATE TABLE public.room (id serial PRIMARY KEY, boss int);
CREATE TABLE public.teacher (id serial PRIMARY KEY, room int REFERENCES public.room DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO public.room (boss) SELECT i FROM generate_series(1, 10) i;
INSERT INTO public.teacher (room) SELECT i FROM generate_series(1, 10) i;
COMMIT;
ALTER TABLE public.room ADD CONSTRAINT room_boss FOREIGN KEY (boss) REFERENCES public.teacher;
INSERT INTO public.room (id, boss) VALUES (999, 1); -- the sequence is behind its keys, as in real life

CREATE TABLE public.attendance (day date NOT NULL, student bigint REFERENCES public.student, present boolean, PRIMARY KEY (day, student)) PARTITION BY RANGE (day);
CREATE TABLE public.attendance_2025 PARTITION OF public.attendance FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE public.attendance_2026 PARTITION OF public.attendance FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY HASH (student);
CREATE TABLE public.attendance_2026_0 PARTITION OF public.attendance_2026 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.attendance_2026_1 PARTITION OF public.attendance_2026 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.attendance_rest PARTITION OF public.attendance DEFAULT;
INSERT INTO public.attendance SELECT date '2025-06-01' + i, 100 + 5 * (i % 2000), i % 7 > 0 FROM generate_series(0, 900) i;
CREATE INDEX attendance_present ON public.attendance (present);

CREATE TABLE public.person (name text, age int);
CREATE TABLE public.pupil (grade int) INHERITS (public.person);
INSERT INTO public.person VALUES ('parent', 40);
INSERT INTO public.pupil VALUES ('child', 10, 4), ('kid', 9, 3);

CREATE TABLE "Größe".hidden (who name DEFAULT current_user, secret text);
INSERT INTO "Größe".hidden VALUES ('somebody', 's1'), ('else', 's2'), ('third', 's3');
CREATE POLICY own ON "Größe".hidden USING (who = current_user) WITH CHECK (true);
CREATE POLICY readers ON "Größe".hidden FOR SELECT TO @reader USING (true);
-- row level security itself is switched on at the end

CREATE FUNCTION public.body_standard(n int) RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN n ELSE 0 END; SELECT n + 1; END;
CREATE FUNCTION public.body_text() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $_$
BEGIN
	-- "; '' $$ not the end
	NEW.name := coalesce(NEW.name, 'x;');
	RETURN NEW;
END $_$;
CREATE PROCEDURE public.proc(INOUT a int) LANGUAGE plpgsql AS 'BEGIN a := a * 2; END';
CREATE AGGREGATE public.total(int) (sfunc = int4pl, stype = int4, initcond = '0');
CREATE OPERATOR public.=== (LEFTARG = int, RIGHTARG = int, FUNCTION = int4eq);
CREATE TRIGGER fill BEFORE INSERT ON public.student FOR EACH ROW WHEN (NEW.name IS NULL) EXECUTE FUNCTION public.body_text();
CREATE TRIGGER off BEFORE UPDATE ON public.student FOR EACH ROW EXECUTE FUNCTION public.body_text();
ALTER TABLE public.student DISABLE TRIGGER off;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON public.teacher DEFERRABLE FOR EACH ROW EXECUTE FUNCTION public.body_text();
CREATE VIEW public.young WITH (security_barrier) AS SELECT id, name FROM public.student WHERE born > '2012-01-01' WITH CHECK OPTION;
CREATE RULE no_delete AS ON DELETE TO public.young DO INSTEAD NOTHING;
CREATE MATERIALIZED VIEW public.by_day AS SELECT day, count(*) FILTER (WHERE present) AS present FROM public.attendance GROUP BY day;
CREATE UNIQUE INDEX by_day_key ON public.by_day (day);
CREATE MATERIALIZED VIEW public.by_month AS SELECT date_trunc('month', day) AS month, sum(present) FROM public.by_day GROUP BY 1;
CREATE MATERIALIZED VIEW public.never_filled AS SELECT 1 AS one WITH NO DATA;
CREATE TEXT SEARCH CONFIGURATION public.school_search (COPY = simple);
CREATE PUBLICATION few FOR TABLE public.student, public.teacher;

SELECT lo_from_bytea(424201, decode(repeat('00ff5c27', 20000), 'hex'));
SELECT lo_from_bytea(424202, 'text');
COMMENT ON LARGE OBJECT 424201 IS 'a picture';
GRANT SELECT ON LARGE OBJECT 424202 TO @reader;

GRANT SELECT ON public.student TO @reader WITH GRANT OPTION;
GRANT SELECT (id), UPDATE (room) ON public.teacher TO PUBLIC;
REVOKE ALL ON FUNCTION public.body_standard(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.body_standard(int) TO @other;
REVOKE INSERT ON public.no_rows FROM @app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO @reader;
ALTER DEFAULT PRIVILEGES FOR ROLE @other REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT CREATE ON SCHEMA "Größe" TO @other;
CREATE TABLE "Größe".others (a int PRIMARY KEY);
INSERT INTO "Größe".others VALUES (1);
ALTER TABLE "Größe".others OWNER TO @other;
-- an owner who might not create there any more
REVOKE CREATE ON SCHEMA "Größe" FROM @other;
ALTER TABLE "Größe".hidden ENABLE ROW LEVEL SECURITY;
ALTER TABLE "Größe".hidden FORCE ROW LEVEL SECURITY;
SET ROLE @other;
CREATE TABLE reports.yearly (year int, total int);
INSERT INTO reports.yearly VALUES (2025, 7);
RESET ROLE;
GRANT SELECT ON public.room TO @other WITH GRANT OPTION;
SET ROLE @other;
GRANT SELECT ON public.room TO @reader; -- given by somebody else than the owner
RESET ROLE;
REFRESH MATERIALIZED VIEW public.by_day;
ANALYZE;
