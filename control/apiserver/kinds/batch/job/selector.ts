/** The selector that a Job gets by itself. Source: upstream `pkg/registry/batch/job/strategy.go` (generateSelector). */
import { jobLabels } from '#api/batch/job.ts';
import { ownValue } from '#api/own-value.ts';
import type { Job } from '#api/types.generated.ts';

/**
 * Labels the template with name and UID of the Job, and selects the UID; in place. Labels that the client gave stay: if they are others,
 * validation says so.
 */
export function generateSelector({ metadata, spec }: Job): void {
  if (spec.manualSelector === true) return;
  const { name, uid } = metadata;
  spec.template.metadata ??= {};
  spec.template.metadata.labels ??= {};
  const { labels } = spec.template.metadata;
  for (const key of [jobLabels.legacyJobName, jobLabels.jobName]) addLabel(labels, key, name);
  for (const key of [jobLabels.legacyControllerUid, jobLabels.controllerUid]) addLabel(labels, key, uid);
  spec.selector ??= {};
  spec.selector.matchLabels ??= {};
  addLabel(spec.selector.matchLabels, jobLabels.controllerUid, uid);
}

function addLabel(labels: Record<string, string>, key: string, value: string): void {
  if (ownValue(labels, key) === undefined) labels[key] = value;
}
