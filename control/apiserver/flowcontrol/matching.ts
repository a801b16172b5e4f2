/** Whether a FlowSchema matches a request. Pure. Source: apiserver `pkg/util/flowcontrol/rule.go`. */
import type {
  FlowControlSubject,
  FlowSchema,
  NonResourcePolicyRule,
  PolicyRulesWithSubjects,
  ResourcePolicyRule,
} from '#api/types.generated.ts';
import type { UserInfo } from '../registry/strategy.ts';
import type { RequestInfo } from '../rest/request-info.ts';

const serviceAccountPrefix = 'system:serviceaccount:';

/** Whether one of the schema's rules matches the request and its user. Source: apiserver `pkg/util/flowcontrol/rule.go`. */
export const matchesFlowSchema = ({ spec }: Pick<FlowSchema, 'spec'>, info: RequestInfo, user: UserInfo): boolean =>
  (spec.rules ?? []).some((rules) => matchesRules(rules, info, user));

function matchesRules({ subjects, resourceRules, nonResourceRules }: PolicyRulesWithSubjects, info: RequestInfo, user: UserInfo) {
  if (!(subjects ?? []).some((subject) => matchesSubject(subject, user))) return false;
  return info.isResource
    ? (resourceRules ?? []).some((rule) => matchesResource(rule, info))
    : (nonResourceRules ?? []).some((rule) => matchesPath(rule, info));
}

function matchesSubject(subject: FlowControlSubject, { name, groups }: UserInfo): boolean {
  switch (subject.kind) {
    case 'User':
      return subject.user?.name === '*' || subject.user?.name === name;
    case 'Group':
      return subject.group !== undefined && (subject.group.name === '*' || groups.includes(subject.group.name));
    case 'ServiceAccount': {
      if (subject.serviceAccount === undefined) return false;
      const { namespace, name: account } = subject.serviceAccount;
      const prefix = `${serviceAccountPrefix}${namespace}:`;
      return account === '*' ? name.startsWith(prefix) : name === prefix + account;
    }
    default:
      return false;
  }
}

function matchesResource(rule: ResourcePolicyRule, { verb, resource, subresource, group, namespace }: RequestInfo): boolean {
  return (
    has(rule.verbs, verb) &&
    has(rule.resources, subresource === '' ? resource : `${resource}/${subresource}`) &&
    has(rule.apiGroups, group) &&
    (namespace === '' ? rule.clusterScope === true : has(rule.namespaces, namespace))
  );
}

function matchesPath({ verbs, nonResourceURLs }: NonResourcePolicyRule, { verb, path }: RequestInfo): boolean {
  if (!has(verbs, verb)) return false;
  return (nonResourceURLs ?? []).some((url) => {
    if (url === '*' || url === path) return true;
    const prefix = url.replace(/\*$/, '');
    // A path matches everything below it, with or without a star.
    return path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
  });
}

/** `*` matches everything. Validation allows it only as the single element. */
const has = (list: readonly string[] | undefined, wanted: string): boolean =>
  list !== undefined && ((list.length === 1 && list[0] === '*') || list.includes(wanted));
