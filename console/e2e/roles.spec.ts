import { ada, ben, cleo, type Person } from "./lib/stack";
import { expect, test } from "./lib/test";

const names: [Person, string][] = [
  [ada, "Super admin"],
  [ben, "Operator"],
  [cleo, "Auditor"],
];

for (const [person, role] of names) {
  test(`the page says who is signed in, and as what: ${person.role}`, async ({ open }) => {
    const page = await open(person);
    await page.getByRole("button", { name: person.name }).click();
    await expect(page.getByRole("menu")).toContainText(role);
  });
}

test("who has no role is told so, and sees no database", async ({ open, watch }) => {
  watch.allow(/403/);
  const page = await open({ name: "Nobody In Particular", role: "" });
  await expect(page.getByText("You may not see this")).toBeVisible();
  await expect(page.getByText("backups:read")).toBeVisible();
  await page.getByRole("button", { name: "Nobody In Particular" }).click();
  await expect(page.getByRole("menu")).toContainText("No role: ask an administrator for one");
});
