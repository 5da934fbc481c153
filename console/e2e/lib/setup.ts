import { newDatabase, pattern } from "./stack";

/** Makes the database that all others are copied from, before anybody has a session in the demo database. */
export default async function setup() {
  await newDatabase(pattern, "school");
}
