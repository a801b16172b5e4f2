/**
 * `--audit-policy-file`: which events are written for which requests.
 *
 * Source: apiserver `pkg/audit/policy/{reader,checker}.go`, `pkg/apis/audit/validation`; kubernetes.io, Auditing.
 */
import { aggregate, type ConfigFileKind, readConfigFile } from '#api/config-file.ts';
import { type FieldError, invalidValue, notSupported, required } from '#api/field-error.ts';
import { isDns1123Subdomain } from '#api/names.ts';
import type { AuthorizationAttributes } from '../authorization/authorization.ts';

/** How much of a request is logged. Source: audit.k8s.io/v1, Level. */
export type AuditLevel = 'None' | 'Metadata' | 'Request' | 'RequestResponse';
/** The stage of a request for which an event is written. Source: audit.k8s.io/v1, Stage. */
export type AuditStage = 'RequestReceived' | 'ResponseStarted' | 'ResponseComplete' | 'Panic';

const levels: readonly string[] = ['None', 'Metadata', 'Request', 'RequestResponse'];
const stages: readonly string[] = ['RequestReceived', 'ResponseStarted', 'ResponseComplete', 'Panic'];

interface GroupResources {
  group?: string;
  resources?: readonly string[];
  resourceNames?: readonly string[];
}

interface PolicyRule {
  level?: string;
  users?: readonly string[];
  userGroups?: readonly string[];
  verbs?: readonly string[];
  resources?: readonly GroupResources[];
  namespaces?: readonly string[];
  nonResourceURLs?: readonly string[];
  omitStages?: readonly string[];
  omitManagedFields?: boolean;
}

/** An audit.k8s.io/v1 Policy that has been checked. */
export interface AuditPolicy {
  rules: readonly PolicyRule[];
  omitStages?: readonly string[];
  omitManagedFields?: boolean;
}

/** The level and stages for one request. */
export interface AuditChoice {
  level: AuditLevel;
  omitStages: readonly string[];
  omitManagedFields: boolean;
}

/** The file is invalid. */
export class AuditPolicyError extends Error {
  override name = 'AuditPolicyError';
}

const strings = { list: 'string' } as const;
const file: ConfigFileKind = {
  kind: 'Policy',
  apiVersions: ['audit.k8s.io/v1'],
  shape: {
    fields: {
      apiVersion: 'string',
      kind: 'string',
      metadata: 'any',
      omitStages: strings,
      omitManagedFields: 'boolean',
      rules: {
        list: {
          fields: {
            level: 'string',
            users: strings,
            userGroups: strings,
            verbs: strings,
            resources: { list: { fields: { group: 'string', resources: strings, resourceNames: strings } } },
            namespaces: strings,
            nonResourceURLs: strings,
            omitStages: strings,
            omitManagedFields: 'boolean',
          },
        },
      },
    },
  },
  problem: AuditPolicyError,
};

/** @param text YAML or JSON @throws AuditPolicyError with upstream's message */
export function parseAuditPolicy(text: string): AuditPolicy {
  const policy = readConfigFile(text, file) as unknown as Partial<AuditPolicy>;
  const { rules = [], omitStages = [] } = policy;
  const errors = [
    ...wrongStages(omitStages, 'omitStages'),
    ...rules.flatMap((rule, index) => wrongRule(rule, `rules[${index}]`)),
  ];
  if (errors.length > 0) throw new AuditPolicyError(aggregate(errors));
  if (rules.length === 0) throw new AuditPolicyError('loaded illegal policy with 0 rules');
  return { ...policy, rules };
}

function wrongRule(rule: PolicyRule, path: string): FieldError[] {
  const { level = '', nonResourceURLs: urls = [], resources = [], namespaces = [], omitStages = [] } = rule;
  const both = 'rules cannot apply to both regular resources and non-resource URLs';
  return [
    ...(level === ''
      ? [required(`${path}.level`)]
      : levels.includes(level)
        ? []
        : [notSupported(`${path}.level`, level, levels)]),
    ...urls.flatMap((url, index) => wrongUrl(url, `${path}.nonResourceURLs[${index}]`)),
    ...resources.flatMap((one) => wrongResources(one, `${path}.resources`)),
    ...wrongStages(omitStages, `${path}.omitStages`),
    ...(urls.length > 0 && (resources.length > 0 || namespaces.length > 0)
      ? [invalidValue(`${path}.nonResourceURLs`, urls, both)]
      : []),
  ];
}

function wrongUrl(url: string, path: string): FieldError[] {
  if (url === '*') return [];
  return [
    ...(url.startsWith('/') ? [] : [invalidValue(path, url, "non-resource URL rules must begin with a '/' character")]),
    ...(url.slice(0, -1).includes('*')
      ? [invalidValue(path, url, "non-resource URL wildcards '*' must be the final character of the rule")]
      : []),
  ];
}

function wrongResources({ group = '', resources = [], resourceNames = [] }: GroupResources, path: string): FieldError[] {
  const wrong = group === '' || group === '*' ? [] : isDns1123Subdomain(group);
  return [
    ...(wrong.length === 0 ? [] : [invalidValue(`${path}.group`, group, wrong.join(','))]),
    ...(resourceNames.length > 0 && resources.length === 0
      ? [invalidValue(`${path}.resourceNames`, resourceNames, 'using resourceNames requires at least one resource')]
      : []),
  ];
}

const wrongStages = (given: readonly string[], path: string): FieldError[] =>
  given.flatMap((stage, index) =>
    stages.includes(stage) ? [] : [invalidValue(`${path}[${index}]`, stage, `allowed stages are ${stages.join(',')}`)],
  );

/** The first matching rule decides. If none matches, nothing is written. */
export function auditChoice(policy: AuditPolicy, attributes: AuthorizationAttributes): AuditChoice {
  const { omitStages = [], omitManagedFields = false } = policy;
  const rule = policy.rules.find((each) => ruleMatches(each, attributes));
  if (rule === undefined) return { level: 'None', omitStages, omitManagedFields };
  return {
    level: rule.level as AuditLevel,
    // The policy's omitStages apply to each rule.
    omitStages: [...omitStages, ...(rule.omitStages ?? [])],
    omitManagedFields: rule.omitManagedFields ?? omitManagedFields,
  };
}

function ruleMatches(rule: PolicyRule, attributes: AuthorizationAttributes): boolean {
  const { users = [], userGroups = [], verbs = [], namespaces = [], resources = [], nonResourceURLs = [] } = rule;
  const { user, verb } = attributes;
  if (users.length > 0 && !users.includes(user.name)) return false;
  if (userGroups.length > 0 && !userGroups.some((group) => user.groups.includes(group))) return false;
  if (verbs.length > 0 && !verbs.includes(verb)) return false;
  if (namespaces.length > 0 || resources.length > 0) return resourceMatches(namespaces, resources, attributes);
  if (nonResourceURLs.length > 0)
    return !attributes.isResource && nonResourceURLs.some((url) => pathMatches(url, attributes.path));
  return true;
}

const pathMatches = (url: string, path: string): boolean =>
  url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.replace(/\*+$/, '')));

function resourceMatches(
  namespaces: readonly string[],
  resources: readonly GroupResources[],
  { isResource, namespace, group, resource, subresource, name }: AuthorizationAttributes,
): boolean {
  if (!isResource || (namespaces.length > 0 && !namespaces.includes(namespace))) return false;
  if (resources.length === 0) return true;
  const full = subresource === '' ? resource : `${resource}/${subresource}`;
  return resources.some(({ group: wanted = '', resources: named = [], resourceNames = [] }) => {
    if (wanted !== group && wanted !== '*') return false;
    if (named.length === 0) return true;
    if (resourceNames.length > 0 && !resourceNames.includes(name)) return false;
    return named.some(
      (text) =>
        text === full ||
        text === '*' ||
        (subresource !== '' && text === `*/${subresource}`) ||
        (text.endsWith('/*') && text.slice(0, -2) === resource),
    );
  });
}
