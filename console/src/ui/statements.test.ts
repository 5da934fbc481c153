import { expect, test } from "vitest";

import { splitHint } from "./statements";

test("statements stand for themselves, those that follow each other together", () => {
  const hint =
    "An administrator of the server can run: CREATE ROLE app_restore LOGIN PASSWORD '…' CONNECTION LIMIT 8; GRANT app_restore TO app WITH INHERIT TRUE, SET TRUE; and put it into the database's secret. Or: ALTER ROLE app CREATEROLE; then each restore makes a login of its own.";
  expect(splitHint(hint)).toEqual([
    { text: "An administrator of the server can run:", sql: false },
    {
      text: "CREATE ROLE app_restore LOGIN PASSWORD '…' CONNECTION LIMIT 8;\nGRANT app_restore TO app WITH INHERIT TRUE, SET TRUE;",
      sql: true,
    },
    { text: "and put it into the database's secret. Or:", sql: false },
    { text: "ALTER ROLE app CREATEROLE;", sql: true },
    { text: "then each restore makes a login of its own.", sql: false },
  ]);
});

test("words stay words", () => {
  const hint = "Check where the file comes from; if it is what you want, set it aside. Set a time.";
  expect(splitHint(hint)).toEqual([{ text: hint, sql: false }]);
});
