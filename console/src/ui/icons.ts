// The icons that are used, each from its own file: the index would have the build read all five thousand.
export { default as IconAlertTriangle } from "@tabler/icons-react/icons/IconAlertTriangle";
export { default as IconBan } from "@tabler/icons-react/icons/IconBan";
export { default as IconCheck } from "@tabler/icons-react/icons/IconCheck";
export { default as IconChevronDown } from "@tabler/icons-react/icons/IconChevronDown";
export { default as IconClock } from "@tabler/icons-react/icons/IconClock";
export { default as IconCopy } from "@tabler/icons-react/icons/IconCopy";
export { default as IconDeviceDesktop } from "@tabler/icons-react/icons/IconDeviceDesktop";
export { default as IconHourglass } from "@tabler/icons-react/icons/IconHourglass";
export { default as IconLoader2 } from "@tabler/icons-react/icons/IconLoader2";
export { default as IconLogout } from "@tabler/icons-react/icons/IconLogout";
export { default as IconMoon } from "@tabler/icons-react/icons/IconMoon";
export { default as IconRotate2 } from "@tabler/icons-react/icons/IconRotate2";
export { default as IconSun } from "@tabler/icons-react/icons/IconSun";
export { default as IconUser } from "@tabler/icons-react/icons/IconUser";
export { default as IconX } from "@tabler/icons-react/icons/IconX";
