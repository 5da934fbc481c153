import a11y from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "src/api/schema.d.ts", "e2e/results"] },
  tseslint.configs.strict,
  a11y.flatConfigs.strict,
  hooks.configs.flat["recommended-latest"],
  {
    rules: {
      "@typescript-eslint/no-non-null-assertion": "off",
      // A secret that is printed is lost: nothing is.
      "no-console": "error",
      "max-lines": ["error", 500],
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXOpeningElement[name.name='Button'] > JSXAttribute[name.name='loading']",
          message: "Mantine’s button is disabled while it loads, which drops the focus: take BusyButton.",
        },
      ],
    },
  },
);
