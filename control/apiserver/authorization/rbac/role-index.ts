/**
 * An index of the roles and bindings in the watch caches by subject: a request reads only the bindings of its user and groups, however many
 * there are in the cluster.
 *
 * Source: kubernetes `pkg/registry/rbac/validation/rule.go` (what a binding applies to).
 */
import type { KubeObject } from '#api/meta.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject } from '#api/types.generated.ts';
import type { UserInfo } from '../../registry/strategy.ts';

/** The objects of the index, by plural of the resource. */
export type RbacKind = 'roles' | 'clusterroles' | 'rolebindings' | 'clusterrolebindings';

/** A RoleBinding or ClusterRoleBinding. */
export type Binding = RoleBinding | ClusterRoleBinding;

/** A binding, and its first subject that matches the user. */
export interface AppliedBinding {
  binding: Binding;
  subject: Subject;
}

/** Roles and bindings by subject, updated by the watch caches, so that a decision reads few of them. */
export class RoleIndex {
  /** By namespace ('' for cluster roles), then by name. */
  readonly #roles = new Map<string, Map<string, Role | ClusterRole>>();
  /** By namespace ('' for cluster role bindings), then by {@link subjectKey}, then by name. */
  readonly #bindings = new Map<string, Map<string, Map<string, AppliedBinding>>>();

  /** Replaces the previous object by the current one. Either may be absent. */
  apply(kind: RbacKind, previous: KubeObject | undefined, current: KubeObject | undefined): void {
    if (kind === 'roles' || kind === 'clusterroles') return this.#applyRole(previous, current);
    if (previous !== undefined) this.#unbind(previous as Binding);
    if (current !== undefined) this.#bind(current as Binding);
  }

  /** Removes all objects of this kind. */
  clear(kind: RbacKind): void {
    const isClusterWide = kind === 'clusterroles' || kind === 'clusterrolebindings';
    const map: Map<string, unknown> = kind === 'roles' || kind === 'clusterroles' ? this.#roles : this.#bindings;
    for (const namespace of map.keys()) if ((namespace === '') === isClusterWide) map.delete(namespace);
  }

  /** The rules of the role; undefined if there is no such role. @param namespace of the binding; '' for a ClusterRoleBinding */
  roleRules({ kind, name }: RoleRef, namespace: string): readonly PolicyRule[] | undefined {
    if (kind !== 'ClusterRole' && (kind !== 'Role' || namespace === '')) return undefined;
    const role = this.#roles.get(kind === 'ClusterRole' ? '' : namespace)?.get(name);
    return role === undefined ? undefined : (role.rules ?? []);
  }

  /** The bindings of one namespace ('': ClusterRoleBindings) that apply to a user, each once. */
  *bindingsOf({ name, groups }: UserInfo, namespace: string): Generator<AppliedBinding> {
    const bySubject = this.#bindings.get(namespace);
    if (bySubject === undefined) return;
    const seen = new Set<Binding>();
    for (const key of [`user ${name}`, ...groups.map((group) => `group ${group}`)]) {
      for (const applied of bySubject.get(key)?.values() ?? []) {
        if (seen.has(applied.binding)) continue;
        seen.add(applied.binding);
        yield applied;
      }
    }
  }

  #applyRole(previous: KubeObject | undefined, current: KubeObject | undefined): void {
    const { name, namespace = '' } = (current ?? previous)?.metadata ?? { name: '' };
    const ofNamespace = this.#roles.get(namespace) ?? new Map<string, Role>();
    if (current === undefined) ofNamespace.delete(name);
    else ofNamespace.set(name, current as Role);
    if (ofNamespace.size === 0) this.#roles.delete(namespace);
    else this.#roles.set(namespace, ofNamespace);
  }

  #bind(binding: Binding): void {
    const { name, namespace = '' } = binding.metadata;
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, namespace);
      if (key === undefined) continue;
      const bySubject = this.#bindings.get(namespace) ?? new Map<string, Map<string, AppliedBinding>>();
      this.#bindings.set(namespace, bySubject);
      const named = bySubject.get(key) ?? new Map<string, AppliedBinding>();
      // If several subjects match the user, the first one is kept.
      if (!named.has(name)) named.set(name, { binding, subject });
      bySubject.set(key, named);
    }
  }

  #unbind({ metadata: { name, namespace = '' }, subjects = [] }: Binding): void {
    const bySubject = this.#bindings.get(namespace);
    for (const subject of subjects) {
      const key = subjectKey(subject, namespace) ?? '';
      const named = bySubject?.get(key);
      named?.delete(name);
      if (named?.size === 0) bySubject?.delete(key);
    }
    if (bySubject?.size === 0) this.#bindings.delete(namespace);
  }
}

/** The user name of a ServiceAccount subject. The default namespace is that of the RoleBinding; undefined in a ClusterRoleBinding. */
function subjectKey({ kind, name, namespace }: Subject, bindingNamespace: string): string | undefined {
  if (kind === 'User') return `user ${name}`;
  if (kind === 'Group') return `group ${name}`;
  const own = namespace || bindingNamespace;
  return kind !== 'ServiceAccount' || own === '' ? undefined : `user system:serviceaccount:${own}:${name}`;
}
