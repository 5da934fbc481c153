import { ActionIcon, Box, Button, Container, Group, Menu, Select, Text, useMantineColorScheme } from "@mantine/core";
import { IconChevronDown, IconLogout, IconMoon, IconSun, IconDeviceDesktop, IconUser } from "../ui/icons";
import { lazy, Suspense, useRef, type ReactNode } from "react";
import { Link, Redirect, Route, Switch, useLocation, useRoute } from "wouter";

import { useDatabases, useMe } from "../api/queries";
import { useSession } from "../auth/session";
import { Brand } from "../ui/Brand";
import { Empty, Failed, LoadingPage } from "../ui/States";
import { Arrival } from "./arrival";
import { useDatabase } from "./database";
import { isDecodable } from "./hash";
import { paths, patterns } from "./routes";
import classes from "./Shell.module.css";

const Inventory = lazy(() => import("../views/inventory/Inventory"));
const BackupDetails = lazy(() => import("../views/details/BackupDetails"));
const RestoreOptions = lazy(() => import("../views/restore/RestoreOptions"));
const RestoreRun = lazy(() => import("../views/run/RestoreRun"));
const CronKey = lazy(() => import("../views/cronkey/CronKey"));
const ActivityLog = lazy(() => import("../views/activity/ActivityLog"));

/** The frame of every view: what it is about, where one can go, who is signed in. */
export function Shell() {
  const main = useRef<HTMLDivElement>(null);
  return (
    <>
      <a
        className="skip-link"
        href="#main"
        onClick={(event) => {
          // The fragment is the page's address: it stays.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <Header />
      <Container
        component="main"
        ref={main}
        tabIndex={-1}
        size={1760}
        px={{ base: "sm", sm: "lg" }}
        py="lg"
        className={classes.main}
      >
        <Suspense fallback={<LoadingPage label="Loading" />}>
          <Views />
          <Arrival main={main} />
        </Suspense>
      </Container>
    </>
  );
}

function Views() {
  const me = useMe();
  const [location] = useLocation();
  if (me.data === undefined) {
    if (me.error !== null) return <Failed error={me.error} onRetry={() => void me.refetch()} />;
    return <LoadingPage label="Looking what you may do" />;
  }
  if (!isDecodable(location)) return <Nowhere />;
  return (
    <Switch>
      <Route path={patterns.backups}>{({ database }) => <Inventory key={database} database={database} />}</Route>
      <Route path={patterns.backup}>{({ database, id }) => <BackupDetails key={id} database={database} id={id} />}</Route>
      <Route path={patterns.restoreOptions}>{({ database }) => <RestoreOptions key={database} database={database} />}</Route>
      <Route path={patterns.restore}>{({ database, id }) => <RestoreRun key={id} database={database} id={id} />}</Route>
      <Route path={patterns.cronKey}>
        <CronKey />
      </Route>
      <Route path={patterns.activity}>
        <ActivityLog />
      </Route>
      <Route path="/">
        <Start />
      </Route>
      <Route>
        <Nowhere />
      </Route>
    </Switch>
  );
}

function Nowhere() {
  return (
    <Empty title="Not found">
      There is no such page. <Link href="/">Go to the backups</Link>.
    </Empty>
  );
}

/** Goes to the database that was looked at last, or the first one. */
function Start() {
  const databases = useDatabases();
  const [last] = useDatabase();
  if (databases.data === undefined) {
    if (databases.error !== null) return <Failed error={databases.error} onRetry={() => void databases.refetch()} />;
    return <LoadingPage label="Looking for databases" />;
  }
  const names = databases.data.items.map((d) => d.name);
  const name = last !== undefined && names.includes(last) ? last : names[0];
  if (name !== undefined) return <Redirect to={paths.backups(name)} replace />;
  return (
    <Empty title="No database is registered yet">
      A database is registered by tagging its secret in Secrets Manager with <code>backup-restore:database</code> and the name
      that it is to have here. It appears within a minute.
    </Empty>
  );
}

function Header() {
  return (
    <Box component="header" className={classes.header}>
      <Container size={1760} px={{ base: "sm", sm: "lg" }}>
        <Group justify="space-between" wrap="nowrap" py="xs" gap="sm">
          <Link href="/" aria-label="Backup & Restore, start" className={classes.brand}>
            <Brand />
          </Link>
          <Group gap="sm" wrap="nowrap" className={classes.tools}>
            <DatabaseSwitcher />
            <SchemeMenu />
            <OperatorMenu />
          </Group>
        </Group>
        <Navigation />
      </Container>
    </Box>
  );
}

function Navigation() {
  const [database] = useDatabase();
  const databases = useDatabases();
  const name = database ?? databases.data?.items[0]?.name;
  return (
    <nav aria-label="Sections" className={classes.nav}>
      {name !== undefined && (
        <>
          <Section href={paths.backups(name)} pattern="/databases/:database/backups/*?">
            Backups
          </Section>
          <Section href={paths.restoreOptions(name)} pattern={/^\/databases\/[^/]+\/restores?(\/|$)/}>
            Restore Options
          </Section>
        </>
      )}
      <Section href={paths.cronKey} pattern={paths.cronKey}>
        Cron Secret Key
      </Section>
      <Section href={paths.activity} pattern={paths.activity}>
        Activity
      </Section>
    </nav>
  );
}

function Section({ href, pattern, children }: { href: string; pattern: string | RegExp; children: ReactNode }) {
  const [here] = useRoute(pattern as string);
  return (
    <Link href={href} aria-current={here ? "page" : undefined} className={classes.section}>
      {children}
    </Link>
  );
}

/** Which database the view is about. With one there is nothing to choose. */
function DatabaseSwitcher() {
  const databases = useDatabases();
  const [database] = useDatabase();
  const [, go] = useLocation();
  const names = databases.data?.items.map((d) => d.name) ?? [];
  if (database === undefined) return null;
  if (names.length <= 1 && (names.length === 0 || names[0] === database)) {
    return (
      <Text size="sm" className={classes.database}>
        <span className="visually-hidden">Database: </span>
        {database}
      </Text>
    );
  }
  return (
    <Select
      aria-label="Database"
      size="xs"
      w={{ base: 130, sm: 200 }}
      data={names.includes(database) ? names : [database, ...names]}
      value={database}
      allowDeselect={false}
      searchable={names.length > 8}
      onChange={(name) => name !== null && go(paths.backups(name))}
    />
  );
}

const schemes = [
  { value: "light", label: "Light", icon: IconSun },
  { value: "dark", label: "Dark", icon: IconMoon },
  { value: "auto", label: "As the system", icon: IconDeviceDesktop },
] as const;

function SchemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const Icon = schemes.find((s) => s.value === colorScheme)?.icon ?? IconDeviceDesktop;
  return (
    <Menu>
      <Menu.Target>
        <ActionIcon variant="default" size={30} aria-label="Light or dark">
          <Icon size={16} aria-hidden />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        {schemes.map(({ value, label, icon: SchemeIcon }) => (
          <Menu.Item
            key={value}
            leftSection={<SchemeIcon size={16} aria-hidden />}
            aria-current={value === colorScheme}
            onClick={() => setColorScheme(value)}
            fw={value === colorScheme ? 700 : undefined}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

const roleNames: Record<string, string> = { "super-admin": "Super admin", operator: "Operator", auditor: "Auditor" };

function OperatorMenu() {
  const { state, signOut } = useSession();
  const me = useMe();
  const name = me.data?.name ?? (state.status === "signed-in" ? state.user.profile.name : undefined) ?? "Signed in";
  const roles = me.data?.roles.map((role) => roleNames[role] ?? role).join(", ");
  return (
    <Menu>
      <Menu.Target>
        <Button
          variant="default"
          size="xs"
          h={30}
          rightSection={<IconChevronDown size={14} aria-hidden />}
          className={classes.operator}
        >
          <IconUser size={16} aria-hidden className={classes.person} />
          <span className={classes.name}>{name}</span>
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Box px="sm" py="xs">
          <Text fw={600} className="breakable">
            {name}
          </Text>
          <Text size="sm" c="dimmed">
            {roles === undefined || roles === "" ? "No role: ask an administrator for one" : roles}
          </Text>
        </Box>
        <Menu.Divider />
        <Menu.Item leftSection={<IconLogout size={16} aria-hidden />} onClick={() => void signOut()}>
          Sign out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
