// Package sqltext reads SQL text as a stream: it splits a PostgreSQL dump into statements, COPY data and psql's
// meta-commands, in constant memory, and gives the tokens of a statement.
//
// Begin with [NewScanner] and call [Scanner.Next] until io.EOF. After an item of kind [Copy] the rows are read from
// [Scanner.CopyData]. When the text has ended, [Scanner.EndMark] says whether pg_dump's mark of a complete dump was its
// last word. What a statement is, [Verb], [CopyTarget] and [Item.Tokens] tell.
//
// # Dialect
//
// The dialect is PostgreSQL's, 13 to 18, read as psql reads a script: a statement ends at a semicolon outside quotes,
// comments, parentheses and the body of a SQL-standard function; a meta-command begins at a backslash outside quotes and
// comments, also in the middle of a statement; the data of COPY begins on the line after it and ends at a line `\.`.
// The sources are psql's manual page, the chapter "Lexical Structure" of PostgreSQL's documentation, and the behaviour of
// psql 15, against which the tests compare.
//
// Where psql and the server would read the same bytes differently, a file has no meaning to rely on: the scanner stops
// with a [SyntaxError] instead of taking a side. These are
//   - a backslash in the continuation of an E'…' string on a further line;
//   - a backslash in a '…' string on the line that changed standard_conforming_strings;
//   - a variable of psql right before a quote, such as :e'…' or :a$b$;
//   - SQL behind COPY … FROM stdin on its line;
//   - client encodings whose characters may contain the bytes of quotes and backslashes: SJIS, BIG5, GBK, UHC, GB18030,
//     JOHAB, SHIFT_JIS_2004.
//
// It differs from psql on purpose in these:
//   - A statement without its semicolon at the end of the text is an error; psql would run it. So is a quote, a comment
//     or COPY data that is open there, and a NUL byte anywhere. A file that was cut must never look like one that ended.
//   - The body of a function opens at BEGIN ATOMIC only. psql takes any word "begin" for it, and so reads past the end of
//     CREATE FUNCTION begin().
//   - Empty statements are dropped.
//   - psql's variables (:name, :'name') are left as they are.
package sqltext
