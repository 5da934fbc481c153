import { useDownloadReport, type RestoreDetail } from "../../../api/queries";
import { announce } from "../../../ui/announce";
import { BusyButton } from "../../../ui/BusyButton";
import { IconDownload } from "../../../ui/icons";
import { ProblemAlert } from "../../../ui/ProblemAlert";
import classes from "./useReportDownload.module.css";

/** The button that downloads a restore's report, and what went wrong with that: they stand in different places. */
export function useReportDownload({ database, id }: RestoreDetail) {
  const download = useDownloadReport(database, id);
  const start = () => download.mutate(undefined, { onSuccess: () => announce("The report was downloaded.") });
  return {
    button: (
      <BusyButton
        variant="default"
        size="xs"
        leftSection={<IconDownload size={16} aria-hidden />}
        loading={download.isPending}
        onClick={start}
        className={classes.download}
      >
        Download the report
      </BusyButton>
    ),
    problem: download.isError && (
      <ProblemAlert error={download.error} title="The report could not be downloaded" onRetry={start} />
    ),
  };
}
