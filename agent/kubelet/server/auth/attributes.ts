/**
 * What a request to the kubelet's API asks for, as the API server's authorizer sees it: a verb on a subresource of this Node.
 *
 * Source: upstream `pkg/kubelet/server/auth.go` (GetRequestAttributes, with KubeletFineGrainedAuthz); kubernetes.io, Kubelet authorization.
 */

const verbs: Readonly<Record<string, string>> = {
  POST: 'create',
  GET: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** '' for methods that have none: only who may do everything may use them. */
export const verbOf = (method: string): string => (Object.hasOwn(verbs, method) ? (verbs[method] ?? '') : '');

/** Asked before `proxy`, which allows the same and much more. */
const fine: readonly (readonly [path: string, subresource: string])[] = [
  ['/pods', 'pods'],
  ['/healthz', 'healthz'],
  ['/configz', 'configz'],
  ['/runningpods', 'pods'],
];
/** These are not part of `proxy`. */
const own: readonly (readonly [path: string, subresource: string])[] = [
  ['/stats', 'stats'],
  ['/metrics', 'metrics'],
  ['/logs', 'log'],
  ['/checkpoint', 'checkpoint'],
  ['/statusz', 'statusz'],
  ['/flagz', 'configz'],
];

/** The subresources of the Node of which one must be allowed. @param path decoded. Pure. */
export function subresourcesOf(path: string): string[] {
  const belongs = ([prefix]: readonly [string, string]): boolean => path === prefix || path.startsWith(`${prefix}/`);
  const [first, second] = [fine.find(belongs), own.find(belongs)];
  return [...(first === undefined ? [] : [first[1]]), second === undefined ? 'proxy' : second[1]];
}
