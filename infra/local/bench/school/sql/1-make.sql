-- What makes the rows, in a schema that is dropped at the end. Everything follows from hashes of numbers: every machine gets the same rows,
-- whatever the order in which they are made.
CREATE SCHEMA make;

-- u is a number from 0 up to 1 that follows from n; with another seed it is another.
CREATE FUNCTION make.u(n bigint, seed bigint) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT (hashint8extended(n, seed) & 4503599627370495) / 4503599627370496.0::double precision $$;

-- pick is a number from 1 to most, all as likely.
CREATE FUNCTION make.pick(n bigint, seed bigint, most bigint) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT 1 + floor(make.u(n, seed) * most)::integer $$;

-- zipf is a number from 1 to most, of which k is about 1/k as likely as 1 is: so people's names and the words of a language are spread.
CREATE FUNCTION make.zipf(n bigint, seed bigint, most bigint) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT floor(exp(make.u(n, seed) * ln(most + 1)))::integer $$;

CREATE TABLE make.given AS SELECT k, name FROM unnest(string_to_array('Emma Ben Mia Leon Hannah Paul Emilia Noah Sofia Elias Lina Finn Anna Luis Marie Jonas Lea '
	'Luca Lena Felix Clara Henry Ella Emil Leni Anton Luisa Theo Ida Max Mila Jakob Amelie Oskar Johanna Moritz Nora Karl Frieda Matteo Charlotte Liam '
	'Greta David Mathilda Julian Lotta Philipp Sarah Tom Laura Samuel Zoe Jan Paula Mats Lilly Simon Maja Erik Juna Fabian Alina Levi Helena Adam Romy Milan '
	'Elif Mohammed Yara Ali Aylin Deniz Zeynep Omar Olga Ivan Katarzyna Piotr Ana João Chiara Marco Chloé Søren Zoë Jürgen Käthe Björn Ayşe', ' '))
	WITH ORDINALITY AS x(name, k);

CREATE TABLE make.family AS SELECT row_number() OVER (ORDER BY seq, variant) AS k, stem || ending AS name
	FROM unnest(string_to_array('Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz '
		'Zimmermann Braun Krüger Hofmann Hartmann Lange Werner Krause Lehmann Köhler Maier König Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn '
		'Vogel Friedrich Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm Winter Kraus Martin Schumacher '
		'Krämer Vogt Stein Jäger Otto Sommer Groß Seidel Heinrich Brandt Haas Schreiber Graf Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Thomas Voigt '
		'Sauer Arnold Wolff Pfeiffer Yılmaz Kaya Demir Nowak Ivanov Rossi García Nguyen Hoxha Popescu', ' ')) WITH ORDINALITY AS s(stem, seq),
		unnest(ARRAY['', '', '-Lang', 'mann']) WITH ORDINALITY AS e(ending, variant) WHERE variant <> 2;

CREATE TABLE make.street AS SELECT row_number() OVER (ORDER BY b COLLATE "C", a COLLATE "C") AS k, a || b AS name
	FROM unnest(string_to_array('Haupt Schul Garten Dorf Bahnhof Berg Birken Linden Wald Kirch Ring Wiesen Amsel Mühlen Park Mozart Goethe Schiller Rosen Feld See', ' ')) a,
		unnest(ARRAY['straße', 'weg', 'gasse', 'platz', 'allee']) b;

CREATE TABLE make.town AS SELECT k, name, 10000 + k * 731 AS postcode FROM unnest(string_to_array('Neustadt Altenburg Lindenau Rosenheim Steinfeld Bergen Seelow '
	'Waldkirch Mühlhausen Kirchheim Weilburg Eichstätt Birkenau Hohenstein Grünberg Marbach Ostheim Wittenau Brücken Hagenau', ' ')) WITH ORDINALITY AS x(name, k);

-- 4,000 words: those that every text has, the most frequent first, and made-up ones, the longer the rarer.
CREATE TABLE make.word AS
	WITH common AS (SELECT word, k FROM unnest(string_to_array('the to and of in a is for was with that on we he she you it at be not as this are by have from has his her '
		'will your our please class school homework lesson test week next been pupil parents they all very when well can which work but there more more time out day good one '
		'about their teacher also after before if no should would who already today tomorrow monday friday group project reading writing mathematics english history science '
		'sports music art room late absent present excused grade report meeting trip form signed return until only some other first last half year term month again still than then '
		'much little many often seldom always never quiet active careful friendly helpful needs practise improve progress results attention behaviour breaks during', ' '))
		WITH ORDINALITY AS x(word, k)),
	coined AS (SELECT string_agg(substr('bdfghklmnprstvwz', make.pick(n * 8 + s, 11, 16), 1) || substr('aeiouaeiee', make.pick(n * 8 + s, 12, 10), 1)
			|| CASE WHEN make.u(n * 8 + s, 13) < 0.4 THEN substr('nrstlmn', make.pick(n * 8 + s, 14, 7), 1) ELSE '' END, '' ORDER BY s)
			|| CASE make.pick(n, 15, 6) WHEN 1 THEN 'ing' WHEN 2 THEN 'ed' WHEN 3 THEN 's' ELSE '' END AS word, 1000 + n AS k
		FROM generate_series(1, 6000) n, LATERAL generate_series(1, 1 + make.pick(n, 16, 2 + n / 2500)) s GROUP BY n)
	SELECT row_number() OVER (ORDER BY min(k)) AS k, word FROM (SELECT word, k FROM common UNION ALL SELECT word, k FROM coined) w GROUP BY word ORDER BY min(k) LIMIT 4000;

-- prose is text of about so many characters: sentences of words as a language has them, the k-th word about 1/k as often as the first. words
-- are 65,536 words of which each is as likely. It is PL/pgSQL because only there an array is taken apart once and not for every word.
CREATE FUNCTION make.prose(n bigint, characters integer, words text[]) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	t text := '';
	i integer := 0;
	h bigint;
	begins boolean := true;
BEGIN
	WHILE length(t) < characters LOOP
		i := i + 1;
		h := hashint8extended(n * 4096 + i, 21);
		t := t || CASE WHEN begins THEN initcap(words[1 + (h & 65535)]) ELSE words[1 + (h & 65535)] END || ' ' || words[1 + ((h >> 16) & 65535)]
			|| CASE WHEN h >> 60 = 1 THEN ', ' ELSE ' ' END || words[1 + ((h >> 32) & 65535)];
		begins := (h >> 48) & 3 = 0;
		t := t || CASE WHEN NOT begins THEN ' ' WHEN (h >> 50) & 7 = 0 THEN E'.\n' ELSE '. ' END;
	END LOOP;
	RETURN rtrim(t) || '.';
END $$;

CREATE FUNCTION make.words() RETURNS text[] LANGUAGE sql STABLE PARALLEL SAFE
	AS $$ SELECT array_agg(w.word ORDER BY i) FROM generate_series(0, 65535) i JOIN make.word w ON w.k = floor(exp((i + 0.5) / 65536 * ln(4001)))::integer $$;

-- The sentences that teachers have ready.
CREATE TABLE make.stock AS SELECT k, text FROM unnest(ARRAY['has taken part in lessons with great interest this term.', 'often forgets the homework, and should use the planner.',
	'works well with others and helps when asked.', 'needs to read the questions more carefully before answering.', 'has made good progress in written work since the last report.',
	'is quiet in class, but the written results are above average.', 'was absent on several days; what was missed has been made up for.', 'should practise the vocabulary regularly at home.',
	'shows a very good understanding of the subject.', 'is friendly and polite to pupils and teachers.', 'could achieve more with more attention in lessons.',
	'has met the targets that were agreed in the autumn.']) WITH ORDINALITY AS x(text, k);

-- rows is how many a table gets: the program fills it.
CREATE TABLE make.rows (name text PRIMARY KEY, n bigint NOT NULL);
CREATE FUNCTION make.n(name text) RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT n FROM make.rows r WHERE r.name = $1 $$;
-- upto are the numbers from 1 to how many a table gets.
CREATE FUNCTION make.upto(name text) RETURNS SETOF bigint LANGUAGE sql STABLE ROWS 1000000 AS $$ SELECT generate_series(1, make.n(name)) $$;
