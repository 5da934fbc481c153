import { createTheme, type MantineColorsTuple } from "@mantine/core";

// Each tuple goes from the lightest to the darkest. Shade 7 on white, white on shade 6, and shade 3 on the dark body have a contrast
// of at least 4.5:1.
const ink: MantineColorsTuple = [
  "#eaf6f8",
  "#d3e9ed",
  "#a5d2da",
  "#74bac7",
  "#4ea6b7",
  "#2f90a3",
  "#1c7a8d",
  "#0f6073",
  "#0c4e5e",
  "#073a46",
];
const slate: MantineColorsTuple = [
  "#f7f9fa",
  "#eef2f4",
  "#dfe6e9",
  "#c8d2d7",
  "#a3b1b8",
  "#7b8b93",
  "#586871",
  "#43525a",
  "#2d3a41",
  "#182126",
];
const night: MantineColorsTuple = [
  "#e3eaed",
  "#c3ced3",
  "#9fadb4",
  "#75858d",
  "#475860",
  "#35444c",
  "#24313a",
  "#18232a",
  "#111a20",
  "#0b1216",
];
const danger: MantineColorsTuple = [
  "#fdecea",
  "#fad4d0",
  "#f4b0a9",
  "#ffb4ab",
  "#e46a60",
  "#d5473d",
  "#b9382f",
  "#a3211a",
  "#861a14",
  "#64120e",
];

export const theme = createTheme({
  colors: { ink, gray: slate, dark: night, red: danger },
  primaryColor: "ink",
  primaryShade: { light: 7, dark: 6 },
  fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace',
  defaultRadius: "md",
  cursorType: "pointer",
  respectReducedMotion: true,
  components: {
    // A scroll lock would write styles for a jump that a stable scrollbar gutter does not make.
    Modal: { defaultProps: { centered: true, lockScroll: false, closeButtonProps: { "aria-label": "Close" } } },
    // The focus goes to a menu's first item: the element that would take it instead is none that a menu may hold.
    Menu: { defaultProps: { position: "bottom-end", shadow: "md", width: 240, withInitialFocusPlaceholder: false } },
    Tooltip: { defaultProps: { multiline: true, maw: 320, withArrow: true, events: { hover: true, focus: true, touch: true } } },
    Badge: { defaultProps: { variant: "light", radius: "sm", tt: "none" } },
  },
});
