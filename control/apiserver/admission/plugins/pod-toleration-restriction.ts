/**
 * PodTolerationRestriction: the pods of a namespace get the default tolerations in its annotation or in the configuration, and may have
 * only allowed ones. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/podtolerationrestriction`, `pkg/util/tolerations`.
 */

import { sameJson } from '#api/meta.ts';
import { memoryPressureTaint } from '#api/node-taints.ts';
import { ownValue } from '#api/own-value.ts';
import { computeQosClass } from '#api/pod/qos.ts';
import { coversToleration } from '#api/pod/tolerations.ts';
import { internalError, notFound } from '#api/status.ts';
import type { Pod, Toleration } from '#api/types.generated.ts';
import type { TolerationRestriction } from '../config/placement.ts';
import {
  type AdmissionAttributes,
  type AdmissionContext,
  type AdmissionPlugin,
  admissionForbidden,
  concerns,
} from '../plugin.ts';

const defaultsAnnotation = 'scheduler.alpha.kubernetes.io/defaultTolerations';
const whitelistAnnotation = 'scheduler.alpha.kubernetes.io/tolerationsWhitelist';
const memoryPressure: Toleration = { key: memoryPressureTaint, operator: 'Exists', effect: 'NoSchedule' };

/** The plugin. @throws (when asked) ApiError 403 for a toleration that the namespace does not allow */
export const podTolerationRestriction = (
  { defaults, whitelist }: TolerationRestriction = { defaults: [], whitelist: [] },
): AdmissionPlugin => ({
  name: 'PodTolerationRestriction',
  handles: (operation) => operation === 'create' || operation === 'update',

  async mutate(attributes, context) {
    if (!concerns(attributes, '', 'pods')) return;
    const { spec } = attributes.object as Pod;
    const extra =
      attributes.operation === 'create' ? [...((await told(attributes, context, defaultsAnnotation)) ?? defaults)] : [];
    if (computeQosClass(spec) !== 'BestEffort') extra.push(memoryPressure);
    if (extra.length > 0) spec.tolerations = mergeTolerations([...(spec.tolerations ?? []), ...extra]);
  },

  async validate(attributes, context) {
    if (!concerns(attributes, '', 'pods')) return;
    const { tolerations = [] } = (attributes.object as Pod).spec;
    if (tolerations.length === 0) return;
    const own = await told(attributes, context, whitelistAnnotation);
    const allowed = own ?? whitelist;
    if (allowed.length === 0 || tolerations.every((one) => allowed.some((other) => covers(other, one)))) return;
    const scope = own === undefined ? 'cluster' : 'namespace';
    const why = `pod tolerations (possibly merged with namespace default tolerations) conflict with its ${scope} whitelist`;
    throw admissionForbidden(attributes, why);
  },
});

/** The tolerations in the namespace's annotation; undefined if it is missing. @throws ApiError 500 if it is not a list of tolerations */
async function told(
  { namespace: name }: AdmissionAttributes,
  { read }: AdmissionContext,
  annotation: string,
): Promise<readonly Toleration[] | undefined> {
  const namespace = await read('namespaces', undefined, name);
  if (namespace === undefined) throw notFound({ group: '', name: 'namespaces' }, name);
  const text = ownValue(namespace.metadata.annotations, annotation);
  if (text === undefined) return undefined;
  return text === '' ? [] : parse(text, annotation);
}

function parse(text: string, annotation: string): readonly Toleration[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw internalError(`namespace annotation ${annotation}: ${String(error)}`);
  }
  const isToleration = (one: unknown): one is Toleration =>
    typeof one === 'object' && one !== null && Object.values(one).every((field) => ['string', 'number'].includes(typeof field));
  if (Array.isArray(value) && value.every(isToleration)) return value;
  throw internalError(`namespace annotation ${annotation}: json: it is no list of tolerations`);
}

/** Removes tolerations that another one covers. Of equal ones the first is kept. */
function mergeTolerations(all: readonly Toleration[]): Toleration[] {
  const merged: Toleration[] = [];
  for (const [index, one] of all.entries()) {
    if (merged.some((other) => covers(other, one))) continue;
    if (all.slice(index + 1).some((other) => !isSame(one, other) && covers(other, one))) continue;
    merged.push(one);
  }
  return merged;
}

const full = ({ key = '', operator = '', value = '', effect = '', tolerationSeconds }: Toleration) => ({
  key,
  operator,
  value,
  effect,
  tolerationSeconds,
});
const isSame = (a: Toleration, b: Toleration): boolean => sameJson(full(a), full(b));

const covers = (wide: Toleration, narrow: Toleration): boolean => isSame(wide, narrow) || coversToleration(wide, narrow);
