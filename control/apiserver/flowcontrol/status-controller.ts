/**
 * Sets the condition `Dangling` of each FlowSchema: whether its priority level is missing.
 *
 * Owns: -.  Watches: FlowSchema, PriorityLevelConfiguration.  Writes: FlowSchema/status.
 * Source: apiserver `pkg/util/flowcontrol/apf_controller.go` (presyncFlowSchemaStatus). Upstream runs it in the API server, too.
 */
import { rfc3339 } from '#api/meta.ts';
import { isNotFound } from '#api/status.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { done } from '#client/controller.ts';
import { own } from '#client/controller-runner.ts';

const fieldManager = 'api-priority-and-fairness-config-consumer-v1';
const schemas = 'flowschemas.flowcontrol.apiserver.k8s.io';
const levels = 'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io';

/** Makes the controller. */
export const flowSchemaStatusController = ({
  client,
  caches,
  clock,
}: Pick<ControllerDeps, 'client' | 'caches' | 'clock'>): Controller => ({
  name: 'flow-schema-status',
  watches: [
    own(schemas),
    {
      resource: levels,
      keys: ({ metadata }, _previous, { cache }) =>
        cache(schemas)
          .list()
          .filter(({ spec }) => spec.priorityLevelConfiguration?.name === metadata.name)
          .map((schema) => schema.metadata.name),
    },
  ],

  async reconcile(name) {
    const schema = caches.cache(schemas).get(name);
    if (schema === undefined) return done;
    const level = schema.spec.priorityLevelConfiguration?.name ?? '';
    const isThere = caches.cache(levels).get(level) !== undefined;
    const what = isThere ? 'and it exists' : 'but there is no such object';
    const wanted = {
      type: 'Dangling',
      status: isThere ? 'False' : 'True',
      reason: isThere ? 'Found' : 'NotFound',
      message: `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)} ${what}`,
    };
    const current = (schema.status?.conditions ?? []).find(({ type }) => type === wanted.type);
    if ((['status', 'reason', 'message'] as const).every((field) => current?.[field] === wanted[field])) return done;
    const body = {
      apiVersion: 'flowcontrol.apiserver.k8s.io/v1',
      kind: 'FlowSchema',
      metadata: { name },
      status: { conditions: [{ ...wanted, lastTransitionTime: rfc3339(clock.now()) }] },
    };
    const patch = { type: 'apply', body, fieldManager, force: true } as const;
    try {
      await client.resource(schemas).patch({ name }, patch, { subresource: 'status' });
    } catch (error) {
      // It has been deleted meanwhile.
      if (!isNotFound(error)) throw error;
    }
    return done;
  },
});
