/**
 * PodNodeSelector: the pods of a namespace get the node selector in its annotation or in the configuration. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/podnodeselector`.
 */
import { validateLabelName } from '#api/labels.ts';
import { isValidLabelValue } from '#api/names.ts';
import { ownValue } from '#api/own-value.ts';
import { forbidden, internalError } from '#api/status.ts';
import type { Pod } from '#api/types.generated.ts';
import { type AdmissionAttributes, type AdmissionContext, type AdmissionPlugin, concerns } from '../plugin.ts';

const annotation = 'scheduler.alpha.kubernetes.io/node-selector';
type Labels = Readonly<Record<string, string>>;

/**
 * The plugin.
 * @param selectors the selectors that pods may have, by namespace; `clusterDefaultNodeSelector` is the default for namespaces without the
 * annotation
 * @throws (when asked) ApiError 403
 */
export const podNodeSelector = (selectors: Labels = {}): AdmissionPlugin => ({
  name: 'PodNodeSelector',
  handles: (operation) => operation === 'create',

  async mutate(attributes, context) {
    if (!concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    const wanted = await labelsOf(attributes, context, selectors);
    checkConflicts(wanted, pod, attributes);
    const merged = { ...wanted, ...pod.spec.nodeSelector };
    if (Object.keys(merged).length > 0) pod.spec.nodeSelector = merged;
    checkAllowed(pod, attributes, selectors);
  },

  async validate(attributes, context) {
    if (!concerns(attributes, '', 'pods')) return;
    const pod = attributes.object as Pod;
    checkConflicts(await labelsOf(attributes, context, selectors), pod, attributes);
    checkAllowed(pod, attributes, selectors);
  },
});

async function labelsOf(
  { namespace: name }: AdmissionAttributes,
  { read }: AdmissionContext,
  selectors: Labels,
): Promise<Labels> {
  const namespace = await read('namespaces', undefined, name);
  if (namespace === undefined) throw internalError(`namespace ${name} does not exist`);
  const own = ownValue(namespace.metadata.annotations, annotation);
  return parse(own ?? ownValue(selectors, 'clusterDefaultNodeSelector') ?? '');
}

/** `a=b,c=d`. @throws ApiError 500 for other forms, as upstream */
function parse(selector: string): Labels {
  if (selector === '') return {};
  const labels: [string, string][] = selector.split(',').map((text) => {
    const [key = '', value = '', ...more] = text.split('=').map((part) => part.trim());
    if (!text.includes('=') || more.length > 0) throw internalError(`invalid selector: [${text.split('=').join(' ')}]`);
    const [problem] = validateLabelName(key, '<nil>');
    const [wrong] = isValidLabelValue(value);
    if (problem !== undefined) throw internalError(problem.message);
    if (wrong !== undefined) throw internalError(wrong);
    return [key, value];
  });
  return Object.fromEntries(labels);
}

function checkConflicts(wanted: Labels, pod: Pod, attributes: AdmissionAttributes): void {
  const isOther = ([key, value]: [string, string]): boolean => (ownValue(pod.spec.nodeSelector, key) ?? value) !== value;
  if (Object.entries(wanted).some(isOther))
    throw refusal(attributes, 'pod node label selector conflicts with its namespace node label selector');
}

function checkAllowed(pod: Pod, attributes: AdmissionAttributes, selectors: Labels): void {
  const allowed = parse(ownValue(selectors, attributes.namespace) ?? '');
  if (Object.keys(allowed).length === 0) return;
  if (Object.entries(pod.spec.nodeSelector ?? {}).every(([key, value]) => ownValue(allowed, key) === value)) return;
  throw refusal(attributes, 'pod node label selector labels conflict with its namespace whitelist');
}

const refusal = ({ object }: AdmissionAttributes, why: string): Error =>
  forbidden({ group: '', name: 'pods' }, object?.metadata.name ?? '', why);
