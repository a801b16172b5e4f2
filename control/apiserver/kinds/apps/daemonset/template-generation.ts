/**
 * The number of the pod template (`templateGeneration`). It was a field in extensions/v1beta1; in apps/v1 it is an annotation,
 * which older clients still read.
 *
 * Source: upstream `pkg/apis/apps/v1/conversion.go`, `pkg/registry/apps/daemonset/strategy.go`.
 */
import { errorText } from '#api/error-text.ts';
import { parseInt64 } from '#api/int64.ts';
import { badRequest } from '#api/status.ts';
import type { DaemonSet } from '#api/types.generated.ts';
import { semanticEqual } from '../../../validation/semantic-equal.ts';

/** The annotation with the number of the template. */
export const templateGenerationAnnotation = 'deprecated.daemonset.template.generation';

/**
 * Sets the number of the template on a write, in place: 1 on create, and one more whenever the template changes. Clients may only
 * set the first number.
 * @throws ApiError 400 when the annotation holds no integer
 */
export function countTemplates(set: DaemonSet, old: DaemonSet | undefined): void {
  const given = numberIn(set);
  if (old === undefined) {
    write(set, given < 1n ? 1n : given);
    return;
  }
  const before = numberIn(old);
  const isSame = semanticEqual(set.spec.template, old.spec.template);
  write(set, isSame ? before : BigInt.asIntN(64, before + 1n));
}

/** Keeps the stored number, in place: a write of `/status` must not change it. */
export function keepTemplateCount(set: DaemonSet, old: DaemonSet): void {
  numberIn(set);
  write(set, numberIn(old));
}

function write({ metadata }: DaemonSet, count: bigint): void {
  metadata.annotations = { ...metadata.annotations, [templateGenerationAnnotation]: String(count) };
}

function numberIn({ metadata }: DaemonSet): bigint {
  const text = metadata.annotations?.[templateGenerationAnnotation];
  if (text === undefined) return 0n;
  try {
    return parseInt64(text);
  } catch (error) {
    throw badRequest(`DaemonSet in version "v1" cannot be handled as a DaemonSet: ${errorText(error)}`);
  }
}
