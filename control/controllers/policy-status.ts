/**
 * ValidatingAdmissionPolicy status controller: writes type checking warnings of a policy's expressions into its status.
 *
 * Owns: nothing.  Watches: ValidatingAdmissionPolicy.  Writes: ValidatingAdmissionPolicy/status.
 * Source: kubernetes `pkg/controller/validatingadmissionpolicystatus/controller.go`.
 */
import type { JsonValue } from '#api/json.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';
import { policyTypeWarnings } from './policy-types.ts';

const id = 'validatingadmissionpolicies.admissionregistration.k8s.io';
const fieldManager = 'validatingadmissionpolicy-status-controller';

/** Makes the controller. */
export const policyStatusController = ({ client, caches, catalog }: ControllerDeps): Controller => ({
  name: fieldManager,
  watches: [own(id)],

  async reconcile(name) {
    const policy = caches.cache(id).get(name);
    if (policy === undefined) return done;
    const { generation = 0 } = policy.metadata;
    if (generation <= (policy.status?.observedGeneration ?? 0)) return done;
    const expressionWarnings = policyTypeWarnings(policy, catalog);
    const status = {
      observedGeneration: generation,
      typeChecking: expressionWarnings.length === 0 ? {} : { expressionWarnings },
    };
    const body = { apiVersion: policy.apiVersion, kind: policy.kind, metadata: { name }, status } as unknown as JsonValue;
    await client.resource(id).patch({ name }, { type: 'apply', body, fieldManager, force: true }, { subresource: 'status' });
    return done;
  },
});
