/**
 * Which webhooks a request goes to, and in which version they see it.
 *
 * Source: apiserver `pkg/admission/plugin/webhook/generic/webhook.go` (ShouldCallHook), `predicates/{namespace,object}`.
 */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { selectsLabels } from '#api/selector.ts';
import { internalError } from '#api/status.ts';
import type { LabelSelector, ValidatingWebhook } from '#api/types.generated.ts';
import type { Authorizer } from '../../authorization/authorization.ts';
import { AdmissionVariables } from '../admission-cel.ts';
import { admissionRequest, kindOf, type Shown, typed } from '../admission-request.ts';
import { type AdmissionAttributes, type AdmissionContext, admissionForbidden } from '../plugin.ts';
import { meetsConditions } from './match-conditions.ts';
import { ruleMatches } from './rules.ts';

/** Other versions of the same objects. */
export interface Versions {
  catalog: ResourceCatalog;
  /** An object of one row as another row shows it. */
  convert(object: KubeObject, from: Resource, to: Resource): KubeObject;
}

/** What the choice of webhooks needs. */
export interface MatchDeps {
  authorizer: Authorizer | undefined;
  /** Absent: only the version of the request is known. */
  versions: Versions | undefined;
}

/** The parts of webhooks that choose requests; both kinds have them. */
export type Matching = Pick<
  ValidatingWebhook,
  'name' | 'rules' | 'matchPolicy' | 'namespaceSelector' | 'objectSelector' | 'matchConditions'
>;

/** How the webhook sees the request; undefined: it is not for it. @throws ApiError when that cannot be told */
export async function shownTo(
  webhook: Matching,
  attributes: AdmissionAttributes,
  context: Pick<AdmissionContext, 'read'>,
  { authorizer, versions }: MatchDeps,
): Promise<Shown | undefined> {
  const shown = matchingRule(webhook, attributes, versions);
  if (shown === undefined || !objectMatches(webhook.objectSelector, attributes)) return undefined;
  if (!(await namespaceMatches(webhook.namespaceSelector, attributes, context))) return undefined;
  const { matchConditions = [] } = webhook;
  if (matchConditions.length === 0) return shown;
  const variables = new AdmissionVariables(admissionRequest(attributes, shown, ''), attributes.user, authorizer);
  const { matches, problem } = await meetsConditions(matchConditions, variables);
  if (matches === undefined) throw admissionForbidden(attributes, problem);
  return matches ? shown : undefined;
}

function matchingRule(
  { rules = [], matchPolicy }: Matching,
  attributes: AdmissionAttributes,
  versions: Versions | undefined,
): Shown | undefined {
  if (rules.some((rule) => ruleMatches(rule, attributes))) {
    const kind = kindOf(attributes);
    return { resource: attributes.resource, kind, convert: (object) => typed(object, kind) };
  }
  if (matchPolicy !== 'Equivalent' || versions === undefined) return undefined;
  const [own, others] = equivalents(attributes, versions.catalog);
  if (own === undefined || others.length === 0) return undefined;
  for (const rule of rules) {
    const other = others.find((resource) => ruleMatches(rule, { ...attributes, resource }));
    if (other !== undefined) return { resource: other, ...converted(attributes, own, other, versions) };
  }
  return undefined;
}

/** The row of the request and the other rows of the same objects. */
function equivalents(
  { resource }: AdmissionAttributes,
  catalog: ResourceCatalog,
): [own: Resource | undefined, others: Resource[]] {
  const rows = catalog.all();
  const own = rows.find(
    ({ group, version, plural }) => group === resource.group && version === resource.version && plural === resource.plural,
  );
  return [own, own === undefined ? [] : rows.filter((row) => row !== own && row.storagePrefix === own.storagePrefix)];
}

function converted(
  attributes: AdmissionAttributes,
  from: Resource,
  to: Resource,
  versions: Versions,
): Pick<Shown, 'kind' | 'convert'> {
  // What a subresource carries (a Scale, an Eviction) is the same in every version.
  if (attributes.subresource !== '' && attributes.kind !== from.kind) {
    const kind = kindOf(attributes);
    return { kind, convert: (object) => typed(object, kind) };
  }
  const kind = { group: to.group, version: to.version, kind: to.kind };
  return { kind, convert: (object) => typed(versions.convert(object, from, to), kind) };
}

function isEmpty(selector: LabelSelector | undefined): boolean {
  return (
    selector === undefined ||
    (Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0)
  );
}

/** Either of the objects has to match; what has no labels does not. */
function objectMatches(selector: LabelSelector | undefined, { object, oldObject }: AdmissionAttributes): boolean {
  if (isEmpty(selector)) return true;
  return [object, oldObject].some((one) => one?.metadata !== undefined && selectsLabels(selector, one.metadata.labels ?? {}));
}

async function namespaceMatches(
  selector: LabelSelector | undefined,
  { resource, namespace, name, subresource, operation, object }: AdmissionAttributes,
  { read }: Pick<AdmissionContext, 'read'>,
): Promise<boolean> {
  const isNamespace = resource.group === '' && resource.plural === 'namespaces';
  const wanted = isNamespace ? name : namespace;
  if (isEmpty(selector) || (namespace === '' && !isNamespace)) return true;
  if (isNamespace && subresource === '' && (operation === 'create' || operation === 'update'))
    return selectsLabels(selector, object?.metadata.labels ?? {});
  const found = await read('namespaces', undefined, wanted);
  if (found === undefined) throw internalError(`namespaces ${JSON.stringify(wanted)} not found`);
  return selectsLabels(selector, found.metadata.labels ?? {});
}

const exemptKinds = new Set(
  [
    'mutatingwebhookconfigurations',
    'validatingwebhookconfigurations',
    'validatingadmissionpolicies',
    'validatingadmissionpolicybindings',
    'mutatingadmissionpolicies',
    'mutatingadmissionpolicybindings',
  ].map((plural) => `admissionregistration.k8s.io/${plural}`),
);

/** Whether nobody is asked about it: what configures admission could otherwise not be mended any more. */
export const isExempt = ({ resource: { group, plural } }: AdmissionAttributes): boolean => exemptKinds.has(`${group}/${plural}`);
