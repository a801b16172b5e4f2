/**
 * The authorization attributes of a request to the kubelet's API: a verb on a subresource of this Node.
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

/** The verb of an HTTP method. '' for other methods: only users with all verbs may use them. */
export const verbOf = (method: string): string => (Object.hasOwn(verbs, method) ? (verbs[method] ?? '') : '');

/** Fine-grained subresources. They are checked before `proxy`, which allows the same and much more. */
const fine: readonly (readonly [path: string, subresource: string])[] = [
  ['/pods', 'pods'],
  ['/healthz', 'healthz'],
  ['/configz', 'configz'],
  ['/runningpods', 'pods'],
];
/** Paths with a subresource of their own. `proxy` does not allow them. */
const own: readonly (readonly [path: string, subresource: string])[] = [
  ['/stats', 'stats'],
  ['/metrics', 'metrics'],
  ['/logs', 'log'],
  ['/checkpoint', 'checkpoint'],
  ['/statusz', 'statusz'],
  ['/flagz', 'configz'],
];

/** The subresources of the Node for a path. The user needs permission for one of them. @param path decoded. Pure. */
export function subresourcesOf(path: string): string[] {
  const belongs = ([prefix]: readonly [string, string]): boolean => path === prefix || path.startsWith(`${prefix}/`);
  const [first, second] = [fine.find(belongs), own.find(belongs)];
  return [...(first === undefined ? [] : [first[1]]), second === undefined ? 'proxy' : second[1]];
}
