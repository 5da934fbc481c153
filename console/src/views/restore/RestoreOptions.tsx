import { SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useEffectEvent, useRef, useState } from "react";
import { useLocation, useSearch } from "wouter";

import { keys, useBackup, useCreateRestore, useMay, useUpload, type Backup } from "../../api/queries";
import { paths } from "../../app/routes";
import { useTitle } from "../../app/title";
import { announce } from "../../ui/announce";
import { dismissTransfer, startTransfer, useTransfer } from "../../upload/transfers";
import { Panel } from "../../ui/Panel";
import { BackupPicker } from "./BackupPicker";
import { FilePicker } from "./FilePicker";
import { History } from "./History";
import { isPartial, whatIsMissing, type Field, type Plan } from "./missing";
import { PartialChoice } from "./PartialChoice";
import { Review } from "./Review";
import { RunChoice } from "./RunChoice";
import { TransferCard } from "./TransferCard";
import { Uploads } from "./Uploads";
import { Notice } from "../../ui/Notice";
import classes from "./restore.module.css";

const ways = [
  { value: "backup", label: "From an existing backup" },
  { value: "upload", label: "From an uploaded file" },
] as const;

type Way = Plan["way"];

/** A restore is planned here: from what, how, into which database; and the earlier ones are listed. */
export default function RestoreOptions({ database }: { database: string }) {
  useTitle(`Restore Options, ${database}`);
  const mayRehearse = useMay("restores:rehearse");
  const source = useSource(database);
  const { way } = source;
  const [picked, setPicked] = useState<Backup>();
  const read = useBackup(database, source.backup);
  // The list has it already when it is chosen there: nobody waits for its record.
  const backup = read.data ?? (picked?.id === source.backup ? picked : undefined);
  const upload = useUpload(database, source.upload);
  const transfer = useTransfer(database);
  const [acknowledged, setAcknowledged] = useState<string>();
  const [partialAccepted, setPartialAccepted] = useState<string>();
  const [dryRun, setDryRun] = useState(true);
  const [confirm, setConfirm] = useState("");
  const [asked, setAsked] = useState<{ fields: Field[]; source: string }>({ fields: [], source: "" });
  const queue = useQueue(database);

  useArrival(database, source.takeUpload);
  const plan: Plan = {
    database,
    way,
    backup,
    upload: upload.data,
    transfer,
    acknowledged: source.upload !== undefined && acknowledged === source.upload,
    partialAccepted: source.backup !== undefined && partialAccepted === source.backup,
    dryRun,
    confirm,
  };
  // Another source has not been asked for yet.
  const sourceNow = [way, source.backup, source.upload, transfer?.file.name].join();
  const missing = whatIsMissing(plan).filter(
    (m) => asked.fields.includes(m.field) && (m.field !== "source" || asked.source === sourceNow),
  );
  const missingOf = (field: Field) => missing.find((m) => m.field === field)?.message;

  const press = () => {
    const lacking = whatIsMissing(plan);
    setAsked({ fields: lacking.map((m) => m.field), source: sourceNow });
    const first = lacking[0];
    if (first !== undefined) {
      focusOn(first.field);
      return;
    }
    queue.send({
      source: way === "backup" ? { backup: source.backup } : { upload: source.upload },
      dryRun,
      confirm: dryRun ? undefined : confirm,
      acceptPartial: isPartial(plan) && plan.partialAccepted ? true : undefined,
      acceptUnproven: way === "upload" && upload.data?.needsAcknowledgement === true ? true : undefined,
    });
  };
  const sourceError = missingOf("source");
  const describedBy = sourceError === undefined ? undefined : "source-missing";

  return (
    <Stack gap="lg">
      <div>
        <Title order={1} size="h2">
          Restore Options
        </Title>
        <Text c="dimmed" maw="75ch">
          Bring <b>{database}</b> back from a backup or a file, built and verified beside the live one first.
        </Text>
      </div>
      {!mayRehearse && (
        <Notice tone="quiet" title="You can look, but not restore">
          Your role lacks the permission <code>restores:rehearse</code>. Ask an administrator for a role that has it.
        </Notice>
      )}
      <div className={classes.columns}>
        <div className={classes.plan}>
          <div id="source" tabIndex={-1}>
            <Panel title="What to restore">
              <SegmentedControl
                data={[...ways]}
                value={way}
                onChange={(value) => source.turnTo(value as Way)}
                aria-label="What to restore from"
                fullWidth
                classNames={{ root: classes.way, label: classes.wayLabel }}
              />
              {way === "upload" && sourceError !== undefined && (
                <Text c="var(--mantine-color-error)" size="sm" id="source-missing">
                  {sourceError}
                </Text>
              )}
              {way === "backup" ? (
                <>
                  <BackupPicker
                    database={database}
                    chosen={backup}
                    error={read.error}
                    onChoose={(b) => {
                      setPicked(b);
                      source.chooseBackup(b.id);
                    }}
                    missing={sourceError}
                  />
                  {backup?.partial !== undefined && backup.usable && (
                    <PartialChoice
                      partial={backup.partial}
                      dryRun={dryRun}
                      accepted={plan.partialAccepted}
                      onAccept={(yes) => setPartialAccepted(yes ? backup.id : undefined)}
                      error={missingOf("partial")}
                    />
                  )}
                </>
              ) : (
                <>
                  {transfer !== undefined && transfer.phase !== "sent" ? (
                    <TransferCard transfer={transfer} />
                  ) : (
                    <FilePicker onFile={(file) => startTransfer(database, file)} describedBy={describedBy} />
                  )}
                  <Uploads
                    database={database}
                    chosen={source.upload}
                    onChoose={source.chooseUpload}
                    acknowledged={plan.acknowledged}
                    onAcknowledge={(yes) => setAcknowledged(yes ? source.upload : undefined)}
                    acknowledgementError={missingOf("acknowledgement")}
                  />
                </>
              )}
            </Panel>
          </div>
          <Panel title="How to run it">
            <RunChoice
              database={database}
              dryRun={dryRun}
              onDryRun={setDryRun}
              confirm={confirm}
              onConfirm={setConfirm}
              error={missingOf("target")}
            />
          </Panel>
        </div>
        <Review
          plan={plan}
          backup={backup}
          upload={upload.data}
          missing={missing}
          error={queue.error}
          sending={queue.sending}
          onQueue={press}
        />
      </div>
      <History database={database} />
    </Stack>
  );
}

/** Goes to a field that lacks something, or to where it will be: while a file is sent there is none to choose one. */
function focusOn(field: Field) {
  (document.querySelector<HTMLElement>(`[data-field="${field}"]`) ?? document.getElementById("source"))?.focus();
}

/** What is chosen is in the address, so that a link and a reload keep it. The way that is not looked at keeps its choice too. */
function useSource(database: string) {
  const [, go] = useLocation();
  const query = new URLSearchParams(useSearch());
  const backup = query.get("backup") ?? undefined;
  const upload = query.get("upload") ?? undefined;
  // Who comes back to a file that is being sent wants to see it.
  const transfer = useTransfer(database);
  const [turned, setWay] = useState<Way>(transfer === undefined ? "backup" : "upload");
  const [other, setOther] = useState<{ backup?: string; upload?: string }>({});
  const to = (source: { backup?: string; upload?: string }) => go(paths.restoreOptions(database, source), { replace: true });
  const way: Way = upload !== undefined ? "upload" : backup !== undefined ? "backup" : turned;
  return {
    way,
    backup: backup ?? other.backup,
    upload: upload ?? other.upload,
    chooseBackup: (id: string) => to({ backup: id }),
    chooseUpload: (id: string) => to({ upload: id }),
    /** Chooses an upload unless a backup is looked at: then it is chosen when one turns to the uploads. */
    takeUpload: (id: string) => (way === "upload" ? to({ upload: id }) : setOther({ ...other, upload: id })),
    turnTo: (next: Way) => {
      const kept = { ...other, ...(backup !== undefined && { backup }), ...(upload !== undefined && { upload }) };
      setOther(kept);
      setWay(next);
      to({ [next]: kept[next] });
    },
  };
}

/** Takes up the upload whose file has just arrived, also when that happened while another view was shown. */
function useArrival(database: string, take: (id: string) => void) {
  const { phase, upload } = useTransfer(database) ?? {};
  const queries = useQueryClient();
  const arrived = useEffectEvent((id: string) => {
    dismissTransfer(database);
    take(id);
  });
  useEffect(() => {
    if (upload === undefined) return;
    void queries.invalidateQueries({ queryKey: keys.uploads(database) });
    void queries.invalidateQueries({ queryKey: keys.upload(database, upload) });
    if (phase === "sent") arrived(upload);
  }, [queries, database, phase, upload]);
}

type Request = Parameters<ReturnType<typeof useCreateRestore>["mutate"]>[0]["body"];

/** Sends a plan once, however often the button is pressed, and goes to the restore that came of it. */
function useQueue(database: string) {
  const create = useCreateRestore(database);
  const queries = useQueryClient();
  const [, go] = useLocation();
  const busy = useRef(false);
  const intention = useRef({ body: "", key: "" });
  const send = (body: Request) => {
    // Two clicks may come before the button is drawn as busy.
    if (busy.current) return;
    busy.current = true;
    // The same plan again is the same intention: when no answer came, it may have been queued all the same.
    const text = JSON.stringify(body);
    if (intention.current.body !== text) intention.current = { body: text, key: crypto.randomUUID() };
    create.mutate(
      { key: intention.current.key, body },
      {
        onSuccess: (restore) => {
          announce(`The restore of ${restore.filename} was queued.`);
          go(paths.restore(database, restore.id));
        },
        // What was refused may look otherwise than what is shown.
        onError: () => {
          void queries.invalidateQueries({ queryKey: keys.backups(database) });
          void queries.invalidateQueries({ queryKey: keys.uploads(database) });
        },
        onSettled: () => (busy.current = false),
      },
    );
  };
  return { send, error: create.error, sending: create.isPending };
}
