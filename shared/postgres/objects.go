package postgres

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
)

// object is a schema object as the server describes it.
type object struct {
	kind, name string
	// parent is kind and name of the table or view that it is a part of, "" where it stands for itself. What happened to the whole
	// is not repeated for its parts.
	parent string
	// origin is the name of the same part of the table that this one inherits from: of partitions there may be hundreds.
	origin     string
	definition string
}

// The session that describes: its settings change how the server writes names, constants and expressions. A name that is not the
// system's is written with its schema.
const describing = `SET search_path = pg_catalog, pg_temp; SET quote_all_identifiers = off; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, MDY';
	SET IntervalStyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 1; SET xmlbinary = 'base64'; SET lc_monetary = 'C';
	SET row_security = off; SET lock_timeout = '5s'`

// described are the objects of the database that the session is in. Only the server's own functions take part, and those only
// write out what the catalogs hold: nothing that a file brought is evaluated. What belongs to an extension comes and goes with it,
// and what a range type brings along with that.
//
// Owners and rights are left out. The copy is its loader's until it is handed over, and what can't be carried over then is listed
// among the skipped statements. So are comments, which change nothing, tablespaces, which a restore does not keep, and user
// mappings, which hold passwords. What a foreign server is told is compared by its hash for the same reason.
//
// A definition that is very long is cut, with a hash in place of its end: somebody's file decides how long they are.
const described = `SELECT kind, name, parent, origin, CASE WHEN octet_length(definition) <= 65536 THEN definition
	ELSE left(definition, 16384) || ' … ' || encode(sha256(convert_to(definition, getdatabaseencoding())), 'hex') END FROM (WITH
member AS MATERIALIZED (SELECT classid, objid FROM pg_depend WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
	OR deptype = 'i' AND classid IN ('pg_proc'::regclass, 'pg_cast'::regclass)),
space AS MATERIALIZED (SELECT oid, quote_ident(nspname) AS name FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
rel AS MATERIALIZED (SELECT c.oid, c.relkind, c.relpersistence, c.relispartition, c.relpartbound, c.reloftype, c.relam, c.relrowsecurity,
		c.relforcerowsecurity, c.relreplident, c.relispopulated, s.name || '.' || quote_ident(c.relname) AS name,
		CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' WHEN 'S' THEN 'sequence'
			WHEN 'c' THEN 'type' ELSE 'table' END AS kind,
		CASE WHEN c.reloptions IS NOT NULL THEN ' WITH (' || array_to_string(ARRAY(SELECT unnest(c.reloptions) ORDER BY 1), ', ') || ')' END AS options
	FROM pg_class c JOIN space s ON s.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c') AND (c.oid, 'pg_class'::regclass) NOT IN (SELECT objid, classid FROM member)),
proc AS MATERIALIZED (SELECT p.oid, p.prokind, s.name || '.' || quote_ident(p.proname) || '(' || pg_get_function_identity_arguments(p.oid) || ')' AS name
	FROM pg_proc p JOIN space s ON s.oid = p.pronamespace WHERE (p.oid, 'pg_proc'::regclass) NOT IN (SELECT objid, classid FROM member)),
kin AS MATERIALIZED (SELECT i.inhrelid, i.inhparent, rel.name FROM pg_inherits i JOIN rel ON rel.oid = i.inhparent)
` + describedTables + describedParts + describedCode + describedTypes + describedRest + `) AS object (kind, name, parent, origin, definition)`

const describedTables = `
SELECT 'schema', name, '', '', '' FROM space WHERE (oid, 'pg_namespace'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'extension', quote_ident(extname), '', '', extversion FROM pg_extension
UNION ALL SELECT kind, name, '', '', concat_ws(' ',
	CASE relpersistence WHEN 'u' THEN 'UNLOGGED' END,
	'PARTITION BY ' || CASE relkind WHEN 'p' THEN pg_get_partkeydef(oid) END,
	CASE WHEN relispartition THEN 'PARTITION OF ' ELSE 'INHERITS ' END
		|| (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) FROM pg_inherits WHERE inhrelid = rel.oid),
	pg_get_expr(relpartbound, oid),
	CASE WHEN reloftype <> 0 THEN 'OF ' || format_type(reloftype, NULL) END,
	'USING ' || (SELECT quote_ident(amname) FROM pg_am WHERE oid = relam AND amname <> 'heap'),
	ltrim(options),
	CASE WHEN relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END, CASE WHEN relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END,
	CASE relreplident WHEN 'n' THEN 'REPLICA IDENTITY NOTHING' WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'i' THEN 'REPLICA IDENTITY USING INDEX ' END
		|| CASE relreplident WHEN 'i' THEN coalesce((SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = rel.oid AND indisreplident), '') ELSE '' END,
	'CLUSTER ON ' || (SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = rel.oid AND indisclustered),
	(SELECT 'SERVER ' || quote_ident(srvname) || ' OPTIONS ' || encode(sha256(convert_to(coalesce(ftoptions::text, ''), getdatabaseencoding())), 'hex')
		FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = ftserver WHERE ftrelid = rel.oid))
	FROM rel WHERE relkind IN ('r', 'p', 'f')
UNION ALL SELECT kind, name, '', '', concat(pg_get_viewdef(oid), options, CASE WHEN NOT relispopulated THEN ' WITH NO DATA' END) FROM rel WHERE relkind IN ('v', 'm')
UNION ALL SELECT 'sequence', name, '', '', concat_ws(' ', format_type(seqtypid, NULL), 'START', seqstart, 'INCREMENT', seqincrement, 'MINVALUE', seqmin, 'MAXVALUE', seqmax,
	'CACHE', seqcache, CASE WHEN seqcycle THEN 'CYCLE' END, CASE relpersistence WHEN 'u' THEN 'UNLOGGED' END,
	(SELECT 'OWNED BY ' || refobjid::regclass || '.' || quote_ident(attname) FROM pg_depend JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
		WHERE classid = 'pg_class'::regclass AND objid = rel.oid AND refclassid = 'pg_class'::regclass AND deptype = 'a' LIMIT 1))
	FROM rel JOIN pg_sequence ON seqrelid = oid
	WHERE NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = rel.oid AND deptype = 'i')`

// A column that is generated as identity has a sequence that is no object of its own. A column that stores otherwise than its
// type does says so.
const describedParts = `
UNION ALL SELECT 'column', rel.name || '.' || quote_ident(a.attname), rel.kind || ' ' || rel.name,
	coalesce((SELECT min(kin.name) || '.' || quote_ident(a.attname) FROM kin WHERE kin.inhrelid = rel.oid AND a.attinhcount > 0), ''), concat_ws(' ',
	format_type(a.atttypid, a.atttypmod),
	CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || a.attcollation::regcollation END,
	CASE WHEN a.attnotnull THEN 'NOT NULL' END,
	CASE a.attgenerated WHEN '' THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) WHEN 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
		ELSE 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') VIRTUAL' END,
	CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY' WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END
		|| (SELECT format(' (START %s INCREMENT %s MINVALUE %s MAXVALUE %s CACHE %s%s)', seqstart, seqincrement, seqmin, seqmax, seqcache, CASE WHEN seqcycle THEN ' CYCLE' END)
			FROM pg_depend JOIN pg_sequence ON seqrelid = objid WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND refobjid = rel.oid
			AND refobjsubid = a.attnum AND deptype = 'i'),
	CASE WHEN a.attstorage <> t.typstorage THEN 'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
	CASE WHEN @compression <> '' THEN 'COMPRESSION ' || @compression END,
	CASE WHEN a.attstattarget >= 0 THEN 'STATISTICS ' || a.attstattarget END,
	'(' || array_to_string(a.attoptions, ', ') || ')')
	FROM rel JOIN pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped JOIN pg_type t ON t.oid = a.atttypid
	LEFT JOIN pg_attrdef d ON d.adrelid = rel.oid AND d.adnum = a.attnum WHERE rel.relkind IN ('r', 'p', 'f')
UNION ALL SELECT 'index', (SELECT s.name || '.' || quote_ident(c.relname) FROM space s WHERE s.oid = c.relnamespace), rel.kind || ' ' || rel.name, '',
	concat(pg_get_indexdef(i.indexrelid), CASE WHEN NOT i.indisvalid THEN ' INVALID' END)
	FROM rel JOIN pg_index i ON i.indrelid = rel.oid JOIN pg_class c ON c.oid = i.indexrelid AND NOT c.relispartition
	WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.conrelid = rel.oid AND k.contype IN ('p', 'u', 'x'))
UNION ALL SELECT 'constraint', rel.name || '.' || quote_ident(k.conname), rel.kind || ' ' || rel.name, '', pg_get_constraintdef(k.oid)
	FROM rel JOIN pg_constraint k ON k.conrelid = rel.oid AND k.conparentid = 0 AND k.conislocal AND k.contype NOT IN ('n', 't')
UNION ALL SELECT 'trigger', rel.name || '.' || quote_ident(tgname), rel.kind || ' ' || rel.name, '', concat(pg_get_triggerdef(t.oid),
	CASE tgenabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLED FOR REPLICA' WHEN 'A' THEN ' ENABLED ALWAYS' END)
	FROM rel JOIN pg_trigger t ON tgrelid = rel.oid AND NOT tgisinternal AND tgparentid = 0
UNION ALL SELECT 'rule', rel.name || '.' || quote_ident(rulename), rel.kind || ' ' || rel.name, '', concat(pg_get_ruledef(r.oid),
	CASE ev_enabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLED FOR REPLICA' WHEN 'A' THEN ' ENABLED ALWAYS' END)
	FROM rel JOIN pg_rewrite r ON ev_class = rel.oid AND rulename <> '_RETURN'
UNION ALL SELECT 'policy', rel.name || '.' || quote_ident(polname), rel.kind || ' ' || rel.name, '', concat_ws(' ',
	CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END, 'FOR',
	CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END, 'TO',
	(SELECT string_agg(CASE o WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o)) END, ', ' ORDER BY CASE o WHEN 0 THEN '' ELSE pg_get_userbyid(o) END COLLATE "C")
		FROM unnest(polroles) o),
	'USING (' || pg_get_expr(polqual, polrelid) || ')', 'WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
	FROM rel JOIN pg_policy ON polrelid = rel.oid`

const describedCode = `
UNION ALL SELECT CASE prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, name, '', '',
	CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) ELSE (SELECT concat_ws(' ', pg_get_function_result(proc.oid), (SELECT concat_ws(' ', proparallel, proisstrict) FROM pg_proc p
		WHERE p.oid = proc.oid), aggkind, aggnumdirectargs, aggtransfn::regprocedure, format_type(aggtranstype, NULL), aggtransspace, aggfinalfn::regprocedure, aggfinalextra,
		aggfinalmodify, aggcombinefn::regprocedure, aggserialfn::regprocedure, aggdeserialfn::regprocedure, aggsortop::regoperator, 'INITCOND ' || agginitval,
		aggmtransfn::regprocedure, aggminvtransfn::regprocedure, aggmfinalfn::regprocedure, 'MINITCOND ' || aggminitval) FROM pg_aggregate WHERE aggfnoid = proc.oid) END
	FROM proc
UNION ALL SELECT 'operator', s.name || '.' || oprname || ' (' || format_type(nullif(oprleft, 0), NULL) || ', ' || format_type(nullif(oprright, 0), NULL) || ')', '', '',
	concat_ws(' ', oprcode::regprocedure, format_type(oprresult, NULL), oprcom::regoperator, oprnegate::regoperator, oprrest::regproc, oprjoin::regproc, oprcanmerge, oprcanhash)
	FROM pg_operator o JOIN space s ON s.oid = oprnamespace WHERE oprcode <> 0 AND (o.oid, 'pg_operator'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'operator class', s.name || '.' || quote_ident(opcname) || ' USING ' || quote_ident(amname), '', '',
	concat_ws(' ', format_type(opcintype, NULL), opcdefault, format_type(nullif(opckeytype, 0), NULL))
	FROM pg_opclass o JOIN space s ON s.oid = opcnamespace JOIN pg_am a ON a.oid = opcmethod WHERE (o.oid, 'pg_opclass'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'cast', format_type(castsource, NULL) || ' AS ' || format_type(casttarget, NULL), '', '', concat_ws(' ', castfunc::regprocedure, castcontext, castmethod)
	FROM pg_cast c WHERE c.oid >= 16384 AND (c.oid, 'pg_cast'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'language', quote_ident(lanname), '', '', concat_ws(' ', lanpltrusted, lanplcallfoid::regprocedure)
	FROM pg_language l WHERE l.oid >= 16384 AND (l.oid, 'pg_language'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'event trigger', quote_ident(evtname), '', '', concat_ws(' ', evtevent, evtfoid::regprocedure, evtenabled, evttags)
	FROM pg_event_trigger e WHERE (e.oid, 'pg_event_trigger'::regclass) NOT IN (SELECT objid, classid FROM member)`

// A table's row type, array types and a range's multirange are no types of their own.
const describedTypes = `
UNION ALL SELECT CASE typtype WHEN 'd' THEN 'domain' ELSE 'type' END, s.name || '.' || quote_ident(typname), '', '', CASE typtype
	WHEN 'e' THEN (SELECT 'ENUM (' || coalesce(string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder), '') || ')' FROM pg_enum WHERE enumtypid = t.oid)
	WHEN 'c' THEN (SELECT '(' || coalesce(string_agg(concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
			CASE WHEN attcollation NOT IN (0, 100) THEN 'COLLATE ' || attcollation::regcollation END), ', ' ORDER BY attnum), '') || ')'
		FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped)
	WHEN 'd' THEN concat_ws(' ', format_type(typbasetype, typtypmod), CASE WHEN typcollation NOT IN (0, 100) THEN 'COLLATE ' || typcollation::regcollation END,
		CASE WHEN typnotnull THEN 'NOT NULL' END, 'DEFAULT ' || coalesce(pg_get_expr(typdefaultbin, 0), typdefault),
		(SELECT string_agg('CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(k.oid), ' ' ORDER BY conname COLLATE "C")
			FROM pg_constraint k WHERE contypid = t.oid AND contype <> 'n'))
	WHEN 'r' THEN (SELECT concat_ws(' ', 'RANGE', format_type(rngsubtype, NULL), (SELECT s.nspname || '.' || opcname FROM pg_opclass o JOIN pg_namespace s ON s.oid = opcnamespace
			WHERE o.oid = rngsubopc), CASE WHEN rngcollation <> 0 THEN rngcollation::regcollation END, rngcanonical::regproc, rngsubdiff::regproc@multirange) FROM pg_range WHERE rngtypid = t.oid)
	ELSE concat_ws(' ', typtype, typinput::regproc, typoutput::regproc, typlen, typalign, typstorage) END
	FROM pg_type t JOIN space s ON s.oid = typnamespace WHERE (t.oid, 'pg_type'::regclass) NOT IN (SELECT objid, classid FROM member)
	AND (typrelid = 0 OR EXISTS (SELECT FROM rel WHERE rel.oid = typrelid AND relkind = 'c')) AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid) AND typtype <> 'm'
UNION ALL SELECT 'collation', s.name || '.' || quote_ident(collname), '', '', (to_jsonb(c) - ARRAY['oid', 'collname', 'collnamespace', 'collowner', 'collversion', 'collencoding'])::text
	FROM pg_collation c JOIN space s ON s.oid = collnamespace WHERE (c.oid, 'pg_collation'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'conversion', s.name || '.' || quote_ident(conname), '', '', (to_jsonb(c) - ARRAY['oid', 'conname', 'connamespace', 'conowner'])::text
	FROM pg_conversion c JOIN space s ON s.oid = connamespace WHERE (c.oid, 'pg_conversion'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'text search dictionary', s.name || '.' || quote_ident(dictname), '', '', concat_ws(' ', (SELECT n.nspname || '.' || tmplname FROM pg_ts_template p
		JOIN pg_namespace n ON n.oid = tmplnamespace WHERE p.oid = dicttemplate), dictinitoption)
	FROM pg_ts_dict d JOIN space s ON s.oid = dictnamespace WHERE (d.oid, 'pg_ts_dict'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'text search configuration', s.name || '.' || quote_ident(cfgname), '', '', concat_ws(' ', (SELECT n.nspname || '.' || prsname FROM pg_ts_parser p
		JOIN pg_namespace n ON n.oid = prsnamespace WHERE p.oid = cfgparser),
		(SELECT string_agg(maptokentype || ':' || mapdict::regdictionary, ' ' ORDER BY maptokentype, mapseqno) FROM pg_ts_config_map WHERE mapcfg = c.oid))
	FROM pg_ts_config c JOIN space s ON s.oid = cfgnamespace WHERE (c.oid, 'pg_ts_config'::regclass) NOT IN (SELECT objid, classid FROM member)`

// The server writes statistics in a form for people, which leaves out brackets and can't be made canonical; so they are put together
// here.
const describedRest = `
UNION ALL SELECT 'statistics', s.name || '.' || quote_ident(stxname), rel.kind || ' ' || rel.name, '', concat_ws(' ', stxkind::text,
	(SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = stxrelid AND attnum = ANY (stxkeys::int2[]))@expressions)
	FROM pg_statistic_ext x JOIN space s ON s.oid = stxnamespace JOIN rel ON rel.oid = stxrelid
UNION ALL SELECT 'publication', quote_ident(pubname), '', '', concat_ws(' ', CASE WHEN puballtables THEN 'FOR ALL TABLES' END, 'insert', pubinsert, 'update', pubupdate,
	'delete', pubdelete, 'truncate', pubtruncate, 'root', pubviaroot,
	(SELECT 'TABLES ' || string_agg(prrelid::regclass || @published, ', ' ORDER BY prrelid::regclass::text COLLATE "C") FROM pg_publication_rel r WHERE prpubid = p.oid)@schemas)
	FROM pg_publication p
UNION ALL SELECT 'subscription', quote_ident(subname), '', '', concat_ws(' ', subenabled, subpublications)
	FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
UNION ALL SELECT 'foreign data wrapper', quote_ident(fdwname), '', '', concat_ws(' ', fdwhandler::regproc, fdwvalidator::regproc)
	FROM pg_foreign_data_wrapper f WHERE (f.oid, 'pg_foreign_data_wrapper'::regclass) NOT IN (SELECT objid, classid FROM member)
UNION ALL SELECT 'foreign server', quote_ident(srvname), '', '', concat_ws(' ', srvtype, srvversion, (SELECT fdwname FROM pg_foreign_data_wrapper f WHERE f.oid = srvfdw),
	encode(sha256(convert_to(coalesce(srvoptions::text, ''), getdatabaseencoding())), 'hex'))
	FROM pg_foreign_server f WHERE (f.oid, 'pg_foreign_server'::regclass) NOT IN (SELECT objid, classid FROM member)`

// describeQuery is described in the words of a server's version: compression came with 14, as did multiranges and
// statistics of expressions; filters, columns and schemas of publications came with 15.
func describeQuery(major int) string {
	parts := map[string]string{"@compression": "''", "@multirange": "", "@expressions": "", "@published": "''", "@schemas": ""}
	if major >= 14 {
		parts["@compression"] = "a.attcompression::text"
		parts["@expressions"] = ", array_to_string(pg_get_statisticsobjdef_expressions(x.oid), ', ')"
		parts["@multirange"] = ", format_type(rngmultitypid, NULL)"
	}
	if major >= 15 {
		parts["@published"] = `coalesce(' (' || (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = prrelid
			AND attnum = ANY (prattrs::int2[])) || ')', '') || coalesce(' WHERE ' || pg_get_expr(prqual, prrelid), '')`
		parts["@schemas"] = `, (SELECT 'SCHEMAS ' || string_agg(pnnspid::regnamespace::text, ', ' ORDER BY pnnspid::regnamespace::text COLLATE "C")
			FROM pg_publication_namespace WHERE pnpubid = p.oid)`
	}
	sql := described
	for name, text := range parts {
		sql = strings.ReplaceAll(sql, name, text)
	}
	return sql
}

// describeTries is how often live is asked, as somebody may be changing it: an object can go while it is described.
const describeTries = 3

// describeLive describes live as the secret's role. A failure that comes from what others do there at the time comes back as it is.
func describeLive(ctx context.Context, conn *pgx.Conn, major int) (list []object, err error) {
	for range describeTries {
		var rows pgx.Rows
		if rows, err = conn.Query(ctx, describeQuery(major)); err != nil {
			return nil, err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (o object, err error) {
			var name, parent, origin, definition *string
			err = row.Scan(&o.kind, &name, &parent, &origin, &definition)
			for to, from := range map[*string]*string{&o.name: name, &o.parent: parent, &o.origin: origin, &o.definition: definition} {
				if from != nil {
					*to = *from
				}
			}
			return o, err
		})
		if err == nil || ctx.Err() != nil || lost(err) || sqlState(err) == lockNotAvailable {
			break
		}
	}
	return list, err
}

// describeCopy describes the copy as the loader.
func (s *staged) describeCopy(ctx context.Context) ([]object, error) {
	rows, err := s.query(ctx, describeQuery(s.me.major()))
	if err != nil {
		return nil, err
	}
	list := make([]object, 0, len(rows))
	for _, r := range rows {
		list = append(list, object{kind: r[0], name: r[1], parent: r[2], origin: r[3], definition: r[4]})
	}
	return list, nil
}
