/** No pod is bound twice, and no node gets more than it has room for. */

import { keyOf } from '#api/meta.ts';
import { isPodTerminal } from '#api/pod/conditions.ts';
import { amount, amountOf, podRequests } from '#api/pod/requests.ts';
import type { Node, Pod } from '#api/types.generated.ts';
import type { InvariantOf } from './invariant.ts';

/** A pod that has a node keeps it. */
export const boundOnce: InvariantOf = ({ violated }) => ({
  name: 'no pod bound twice',
  changed({ kind, object, previous }) {
    if (object.kind !== 'Pod' || kind !== 'updated') return;
    const [was, is] = [(previous as Pod).spec.nodeName ?? '', (object as Pod).spec.nodeName ?? ''];
    if (previous?.metadata.uid === object.metadata.uid && was !== '' && was !== is)
      violated('no pod bound twice', `${keyOf(object)} was on ${was} and is now on ${is}`);
  },
});

/** The requests of a node's pods fit into the node. A binding whose answer was lost is not known to the scheduler at once. */
export const nodeRoom: InvariantOf = ({ model, violated, network, wasBehind }) => {
  const name = 'no node beyond its room';
  return {
    name,
    changed({ kind, object, previous }) {
      if (object.kind !== 'Pod' || kind === 'deleted') return;
      const { nodeName = '' } = (object as Pod).spec;
      if (nodeName === '' || (previous as Pod | undefined)?.spec.nodeName === nodeName) return;
      // A scheduler with a stale cache cannot count all bindings.
      if (network.lossy || wasBehind('scheduler')) return;
      const node = model.get<Node>('minions', nodeName);
      if (node === undefined) return;
      const pods = model.pods().filter((pod) => pod.spec.nodeName === nodeName && !isPodTerminal(pod));
      const room = Number.parseInt(String(node.status?.allocatable?.['pods'] ?? '110'), 10);
      if (pods.length > room) violated(name, `${nodeName} has ${pods.length} pods and room for ${room}`);
      const cpu = pods.reduce((sum, pod) => sum + amountOf(podRequests(pod), 'cpu'), 0);
      const has = amount('cpu', node.status?.allocatable?.['cpu']);
      if (cpu > has) violated(name, `the pods of ${nodeName} request ${cpu}m CPU, it has ${has}m`);
    },
  };
};
