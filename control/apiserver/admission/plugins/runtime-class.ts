/**
 * RuntimeClass: a pod of a runtime class gets the class's overhead, node selector and tolerations.
 *
 * Source: upstream `plugin/pkg/admission/runtimeclass`, `pkg/util/tolerations`.
 */

import type { Quantity } from '#api/json.ts';
import { ownValue } from '#api/own-value.ts';
import { coversToleration } from '#api/pod/tolerations.ts';
import { compareQuantity } from '#api/quantity.ts';
import type { Pod, RuntimeClass, Toleration } from '#api/types.generated.ts';
import {
  type AdmissionAttributes,
  type AdmissionContext,
  type AdmissionPlugin,
  admissionForbidden,
  concerns,
} from '../plugin.ts';

/** @throws (when asked) ApiError 403 for an unknown class, another overhead than the class's, or a conflict of node selectors */
export const runtimeClass = (): AdmissionPlugin => ({
  name: 'RuntimeClass',
  handles: (operation) => operation === 'create',

  async mutate(attributes, context) {
    if (!concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    const found = await classOf(pod, attributes, context);
    setOverhead(pod, found, attributes);
    setScheduling(pod, found, attributes);
  },

  async validate(attributes, context) {
    if (!concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    const overhead = (await classOf(pod, attributes, context))?.overhead?.podFixed;
    if (overhead !== undefined) {
      if (!sameQuantities(overhead, pod.spec.overhead)) throw admissionForbidden(attributes, otherOverhead);
    } else if (pod.spec.overhead !== undefined) {
      const why = 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead';
      throw admissionForbidden(attributes, why);
    }
  },
});

const otherOverhead = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

async function classOf(
  { spec: { runtimeClassName: name } }: Pod,
  attributes: AdmissionAttributes,
  { read }: AdmissionContext,
): Promise<RuntimeClass | undefined> {
  if (name === undefined) return undefined;
  const found = (await read('runtimeclasses.node.k8s.io', undefined, name)) as RuntimeClass | undefined;
  if (found === undefined) throw admissionForbidden(attributes, `pod rejected: RuntimeClass ${JSON.stringify(name)} not found`);
  return found;
}

function setOverhead({ spec }: Pod, found: RuntimeClass | undefined, attributes: AdmissionAttributes): void {
  if (found?.overhead === undefined) return;
  const { podFixed } = found.overhead;
  if (Object.keys(spec.overhead ?? {}).length > 0 && !sameQuantities(podFixed, spec.overhead))
    throw admissionForbidden(attributes, otherOverhead);
  if (podFixed === undefined) delete spec.overhead;
  else spec.overhead = { ...podFixed };
}

/** `0.1` and `100m` are the same. */
function sameQuantities(one: Readonly<Record<string, Quantity>> = {}, other: Readonly<Record<string, Quantity>> = {}): boolean {
  const names = Object.keys(one);
  if (names.length !== Object.keys(other).length) return false;
  return names.every((name) => {
    const [a, b] = [ownValue(one, name), ownValue(other, name)];
    return a !== undefined && b !== undefined && compareQuantity(a, b) === 0;
  });
}

function setScheduling({ spec }: Pod, found: RuntimeClass | undefined, attributes: AdmissionAttributes): void {
  if (found?.scheduling === undefined) return;
  const { nodeSelector = {}, tolerations = [] } = found.scheduling;
  const own = new Map(Object.entries(spec.nodeSelector ?? {}));
  for (const [key, value] of Object.entries(nodeSelector)) {
    const current = own.get(key);
    if (current !== undefined && current !== value) {
      const why = `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${current}`;
      throw admissionForbidden(attributes, why);
    }
    own.set(key, value);
  }
  if (own.size > 0) spec.nodeSelector = Object.fromEntries(own);
  const merged = mergeTolerations([...(spec.tolerations ?? []), ...tolerations]);
  if (merged.length > 0) spec.tolerations = [...merged];
}

/**
 * The maximum number of tolerations that are merged: each is compared with each, which takes some tenths of a second for so many. A pod
 * with more keeps all of them. Upstream has no limit.
 */
const maxMerged = 2000;

/** Removes tolerations that another one covers. Of equal ones the first is kept. */
function mergeTolerations(all: readonly Toleration[]): readonly Toleration[] {
  if (all.length > maxMerged) return all;
  const keyed = all.map((one) => ({ one, text: textOf(one) }));
  const merged: typeof keyed = [];
  for (const [index, { one, text }] of keyed.entries()) {
    const isEarlier = merged.some((earlier) => earlier.text === text || coversToleration(earlier.one, one));
    const isLater = (): boolean =>
      keyed.slice(index + 1).some((later) => later.text !== text && coversToleration(later.one, one));
    if (!isEarlier && !isLater()) merged.push({ one, text });
  }
  return merged.map(({ one }) => one);
}

/** A key that is the same for equal tolerations. */
const textOf = ({ key, operator, value, effect, tolerationSeconds }: Toleration): string =>
  JSON.stringify([key ?? '', operator ?? '', value ?? '', effect ?? '', String(tolerationSeconds)]);
