/**
 * Which webhooks and policies a request goes to, and in which version they see it.
 *
 * Source: apiserver `pkg/admission/plugin/webhook/generic/webhook.go` (ShouldCallHook), `predicates/{namespace,object}`;
 * `pkg/admission/plugin/policy/matching/matching.go`.
 */
import type { KubeObject } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import { selectsLabels } from '#api/selector.ts';
import { internalError } from '#api/status.ts';
import type { LabelSelector, MatchResources, NamedRuleWithOperations, ValidatingWebhook } from '#api/types.generated.ts';
import type { Authorizer } from '../../authorization/authorization.ts';
import { RequestAccess } from '../admission-cel.ts';
import { type AdmissionRequest, admissionRequest, kindOf, type Shown, typed } from '../admission-request.ts';
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
  'name' | 'rules' | 'matchPolicy' | 'namespaceSelector' | 'objectSelector' | 'matchConditions' | 'failurePolicy'
>;

/** What conditions are told of a request as it was sent, made once for all webhooks that see the object in the same state. */
export interface ToldRequest {
  own?: AdmissionRequest;
}

/**
 * How the webhook sees the request; undefined: it is not for it.
 * @param told shared by those who are asked until the object changes @throws ApiError when that cannot be told
 */
export async function shownTo(
  webhook: Matching,
  attributes: AdmissionAttributes,
  context: Pick<AdmissionContext, 'read'>,
  { authorizer, versions }: MatchDeps,
  told: ToldRequest,
): Promise<Shown | undefined> {
  const shown = matchingRule(webhook.rules ?? [], webhook.matchPolicy, attributes, versions);
  if (shown === undefined || !objectMatches(webhook.objectSelector, attributes)) return undefined;
  if (!(await namespaceMatches(webhook.namespaceSelector, attributes, context))) return undefined;
  const { matchConditions = [] } = webhook;
  if (matchConditions.length === 0) return shown;
  const access = new RequestAccess(attributes.user, authorizer);
  const request = requestAs(shown, attributes, told);
  const { matches, problem } = await meetsConditions(matchConditions, { request, access });
  if (matches === undefined && webhook.failurePolicy !== 'Ignore') throw admissionForbidden(attributes, problem);
  return matches === true ? shown : undefined;
}

function requestAs(shown: Shown, attributes: AdmissionAttributes, told: ToldRequest): AdmissionRequest {
  if (shown.resource !== attributes.resource) return admissionRequest(attributes, shown, '');
  told.own ??= admissionRequest(attributes, shown, '');
  return told.own;
}

/**
 * How a policy, or a binding of one, sees the request; undefined: it is not for it.
 * @param constraints undefined: everything matches @throws ApiError when its namespace is not there
 */
export async function shownToPolicy(
  constraints: MatchResources | undefined,
  attributes: AdmissionAttributes,
  context: Pick<AdmissionContext, 'read'>,
  versions: Versions | undefined,
): Promise<Shown | undefined> {
  if (constraints === undefined) return own(attributes);
  const { resourceRules = [], excludeResourceRules = [], matchPolicy, objectSelector, namespaceSelector } = constraints;
  const shown = resourceRules.length === 0 ? own(attributes) : matchingRule(resourceRules, matchPolicy, attributes, versions);
  if (shown === undefined || !objectMatches(objectSelector, attributes)) return undefined;
  if (excludeResourceRules.length > 0 && matchingRule(excludeResourceRules, matchPolicy, attributes, versions) !== undefined)
    return undefined;
  return (await namespaceMatches(namespaceSelector, attributes, context)) ? shown : undefined;
}

function own(attributes: AdmissionAttributes): Shown {
  const kind = kindOf(attributes);
  return { resource: attributes.resource, kind, convert: (object) => typed(object, kind) };
}

/** Policies may name objects in their rules, webhooks do not. */
function matchingRule(
  rules: readonly NamedRuleWithOperations[],
  matchPolicy: string | undefined,
  attributes: AdmissionAttributes,
  versions: Versions | undefined,
): Shown | undefined {
  const isNamed = ({ resourceNames = [] }: NamedRuleWithOperations): boolean =>
    resourceNames.length === 0 || resourceNames.includes(attributes.name);
  if (rules.some((rule) => ruleMatches(rule, attributes) && isNamed(rule))) return own(attributes);
  if (matchPolicy !== 'Equivalent' || versions === undefined) return undefined;
  const [row, others] = equivalents(attributes, versions.catalog);
  if (row === undefined || others.length === 0) return undefined;
  for (const rule of rules) {
    const other = others.find((resource) => ruleMatches(rule, { ...attributes, resource }));
    if (other !== undefined && isNamed(rule)) return { resource: other, ...converted(attributes, row, other, versions) };
  }
  return undefined;
}

type Equivalents = [row: Resource | undefined, others: Resource[]];
/** By the rows of a catalog, which are another array after each change. */
const equivalentRows = new WeakMap<readonly Resource[], Map<string, Equivalents>>();

/** The row of the request and the other rows of the same objects. */
function equivalents({ resource }: AdmissionAttributes, catalog: ResourceCatalog): Equivalents {
  const rows = catalog.all();
  let byPath = equivalentRows.get(rows);
  if (byPath === undefined) equivalentRows.set(rows, (byPath = new Map()));
  const path = `${resource.group}/${resource.version}/${resource.plural}`;
  let found = byPath.get(path);
  if (found === undefined) {
    const row = catalog.find(resource.group, resource.version, resource.plural);
    found = [row, row === undefined ? [] : rows.filter((each) => each !== row && each.storagePrefix === row.storagePrefix)];
    byPath.set(path, found);
  }
  return found;
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

/** The object in the version of the request again. */
export function shownBack(
  object: KubeObject,
  shown: Shown,
  { resource, object: own }: AdmissionAttributes,
  versions: Versions | undefined,
): KubeObject {
  const { group, version, plural } = shown.resource;
  if (versions === undefined || (group === resource.group && version === resource.version)) return object;
  const rows = versions.catalog.all();
  const row = (wanted: typeof resource) =>
    rows.find((one) => one.group === wanted.group && one.version === wanted.version && one.plural === wanted.plural);
  const [from, to] = [row({ group, version, plural }), row(resource)];
  if (from === undefined || to === undefined || own?.kind !== to.kind) return object;
  return versions.convert(object, from, to);
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
