/**
 * OwnerReferencesPermissionEnforcement: setting an owner reference needs permission to delete the object (it is deleted with its owner),
 * and setting blockOwnerDeletion needs permission to update the owner's finalizers. Off by default.
 *
 * Source: upstream `plugin/pkg/admission/gc`.
 */
import { apiVersionOf, sameJson } from '#api/meta.ts';
import type { ResourceCatalog } from '#api/resource-catalog.ts';
import type { Resource } from '#api/resources.ts';
import type { OwnerReference } from '#api/types.generated.ts';
import type { AuthorizationAttributes, Authorizer, Decision } from '../../authorization/authorization.ts';
import { type AdmissionAttributes, type AdmissionPlugin, admissionForbidden, concerns } from '../plugin.ts';

/** What the plugin needs. */
export interface OwnerReferencesDeps {
  /** Undefined: nothing is allowed. */
  authorizer: Authorizer | undefined;
  /** The resources of an owner's kind. */
  catalog: ResourceCatalog | undefined;
}

type Asked = Pick<AuthorizationAttributes, 'verb' | 'group' | 'version' | 'resource' | 'subresource' | 'namespace' | 'name'>;

/** @throws (when asked) ApiError 403 */
export const ownerReferencesPermissionEnforcement = ({ authorizer, catalog }: OwnerReferencesDeps): AdmissionPlugin => {
  const decide = async ({ user }: AdmissionAttributes, asked: Asked): Promise<Decision> =>
    (await authorizer?.authorize({ user, isResource: true, path: '', ...asked })) ?? { allowed: false, reason: '' };

  async function checkDelete(attributes: AdmissionAttributes): Promise<void> {
    const { resource, subresource, namespace, name } = attributes;
    const { group, version, plural } = resource;
    const decision = await decide(attributes, { verb: 'delete', group, version, resource: plural, subresource, namespace, name });
    if (!decision.allowed)
      throw admissionForbidden(attributes, `cannot set an ownerRef on a resource you can't delete: ${decision.reason}, <nil>`);
  }

  async function checkFinalizers(attributes: AdmissionAttributes, reference: OwnerReference): Promise<void> {
    const { apiVersion, kind, name } = reference;
    const rows = (catalog?.all() ?? []).filter((one) => isOf(one, reference));
    if (rows.length === 0) {
      const why = `no matches for kind "${kind}" in version "${apiVersion}"`;
      const what = `cannot find RESTMapping for APIVersion ${apiVersion} Kind ${kind}`;
      throw admissionForbidden(attributes, `cannot set blockOwnerDeletion in this case because ${what}: ${why}`);
    }
    for (const { group, version, plural, namespaced } of rows) {
      // A namespaced owner is in the namespace of the object.
      const namespace = namespaced ? attributes.namespace : '';
      const asked = { verb: 'update', group, version, resource: plural, subresource: 'finalizers', namespace, name };
      const decision = await decide(attributes, asked);
      if (decision.allowed) continue;
      const why = "if an ownerReference refers to a resource you can't set finalizers on";
      throw admissionForbidden(attributes, `cannot set blockOwnerDeletion ${why}: ${decision.reason}, <nil>`);
    }
  }

  return {
    name: 'OwnerReferencesPermissionEnforcement',
    handles: (operation) => operation === 'create' || operation === 'update',

    async validate(attributes) {
      if (concerns(attributes, '', 'pods', 'status')) return;
      const owners = attributes.object?.metadata?.ownerReferences ?? [];
      const before = attributes.oldObject?.metadata?.ownerReferences ?? [];
      if (sameJson(owners, before)) return;
      // Creating an object needs no permission to delete it.
      if (attributes.operation !== 'create') await checkDelete(attributes);
      const wasBlocking = new Set(before.filter(({ blockOwnerDeletion }) => blockOwnerDeletion === true).map(({ uid }) => uid));
      const blocking = owners.filter(({ blockOwnerDeletion, uid }) => blockOwnerDeletion === true && !wasBlocking.has(uid));
      if (blocking.length === 0) return;
      const all = { group: '*', version: '*', resource: '*', subresource: 'finalizers', namespace: '', name: '*' };
      if ((await decide(attributes, { verb: 'update', ...all })).allowed) return;
      for (const reference of blocking) await checkFinalizers(attributes, reference);
    },
  };
};

const isOf = ({ group, version, kind }: Resource, reference: OwnerReference): boolean =>
  kind === reference.kind && apiVersionOf(group, version) === reference.apiVersion;
