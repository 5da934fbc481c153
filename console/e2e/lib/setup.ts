import { Api } from "./api";
import { newDatabase, pattern } from "./stack";

/** Makes the database that all others are copied from, before anybody has a session in the demo database. */
export default async function setup() {
  const { items } = await (await Api.as()).databases();
  // A stack that tests ran on before, kept by hand, has it.
  if (!items.some((d) => d.name === pattern)) await newDatabase(pattern, "school");
}
