/**
 * ReplicationController controller: keeps `spec.replicas` pods alive for every ReplicationController, with the code of ReplicaSets.
 *
 * Owns: Pod (by controller ownerReference).  Watches: ReplicationController, Pod.  Writes: Pod, ReplicationController/status.
 * Source: kubernetes `pkg/controller/replication`, which adapts the ReplicaSet's controller in the same way.
 */
import type { ReplicationController } from '#api/types.generated.ts';
import type { Controller, ControllerDeps } from '#client/controller.ts';
import { replicaController } from './replicaset.ts';

/** Makes the ReplicationController controller. */
export const replicationController = (deps: ControllerDeps): Controller =>
  replicaController(deps, {
    name: 'replicationcontroller',
    resource: 'replicationcontrollers',
    kind: 'ReplicationController',
    // An empty selector would select everything. The API server allows none.
    view: ({ spec: { selector, ...spec }, ...object }) => ({
      ...object,
      spec: { ...spec, selector: { matchLabels: selector } },
    }),
    // A ReplicationController has no count of terminating pods.
    withStatus(controller, status): ReplicationController {
      const { terminatingReplicas: _, ...counts } = status;
      return { ...controller, status: counts };
    },
  });
