/**
 * The control groups above containers: `kubepods`, one per QoS class, one per pod.
 *
 * Source: upstream `pkg/kubelet/cm` (layout, shares of the classes).
 */

import type { CgroupLimits, Cgroups } from '#agent/host/cgroup.ts';
import { qosClass } from '#api/pod/qos.ts';
import { amountOf, podRequests } from '#api/pod/requests.ts';
import type { Pod } from '#api/types.generated.ts';
import { cpuShares, podCgroup, podCgroupLimits } from './resources.ts';

/** The control groups of this node's pods. @throws Error when one cannot be written; doing it again is harmless */
export interface PodCgroups {
  /** Creates `kubepods` and the groups of the QoS classes with the node's allocatable resources as limits. */
  prepare(allocatable: { cpuMillis: number; memoryBytes: number }): Promise<void>;
  /**
   * Creates the pod's group with its limits. @param hasRun whether containers of an earlier kubelet may run in the group. It then keeps its
   * limits, because they must change together with the containers' limits
   */
  ensure(pod: Pod, hasRun: boolean): Promise<void>;
  /** The limits of the pod's group; undefined: it does not exist. */
  read(pod: Pod): Promise<CgroupLimits | undefined>;
  /** Changes the limits of the pod's group. */
  update(pod: Pod, limits: CgroupLimits): Promise<void>;
  /** The memory usage of the pod's processes in bytes, page cache included. Undefined when the pod has no group. */
  usedMemoryBytes(pod: Pod): Promise<number | undefined>;
  remove(pod: Pod): Promise<void>;
  /** UIDs that have a group on this node. */
  known(): Promise<string[]>;
  removeUnknown(uid: string): Promise<void>;
}

const classes = ['', '/burstable', '/besteffort'];

/** @param root the control group above `kubepods`; the empty string for the topmost one */
export function createPodCgroups(cgroups: Cgroups, root: string): PodCgroups {
  const ensured = new Map<string, Pod>();
  const top = `${root}/kubepods`;

  /** Burstable pods together have the CPU weight of their requests; best-effort pods have the lowest weight. */
  async function weighClasses(): Promise<void> {
    const burstable = [...ensured.values()].filter((pod) => qosClass(pod) === 'Burstable');
    await cgroups.limit(`${top}/burstable`, {
      cpuShares: cpuShares(burstable.reduce((sum, pod) => sum + amountOf(podRequests(pod), 'cpu'), 0)),
    });
  }

  return {
    async prepare({ cpuMillis, memoryBytes }) {
      await cgroups.create(top);
      await cgroups.limit(top, { cpuShares: cpuShares(cpuMillis), memoryBytes });
      await cgroups.create(`${top}/burstable`);
      await cgroups.create(`${top}/besteffort`);
      await cgroups.limit(`${top}/besteffort`, { cpuShares: 2 });
    },
    async ensure(pod, hasRun) {
      if (ensured.has(pod.metadata.uid)) return;
      const path = podCgroup(root, pod);
      if (!hasRun || !(await cgroups.exists(path))) {
        await cgroups.create(path);
        await cgroups.limit(path, podCgroupLimits(pod));
      }
      ensured.set(pod.metadata.uid, pod);
      if (qosClass(pod) === 'Burstable') await weighClasses();
    },
    read: (pod) => cgroups.limits(podCgroup(root, pod)),
    async update(pod, limits) {
      await cgroups.limit(podCgroup(root, pod), limits);
      if (!ensured.has(pod.metadata.uid)) return;
      ensured.set(pod.metadata.uid, pod);
      if (limits.cpuShares !== undefined && qosClass(pod) === 'Burstable') await weighClasses();
    },
    usedMemoryBytes: async (pod) => (await cgroups.usage(podCgroup(root, pod)))?.memoryUsageBytes,
    async remove(pod) {
      await cgroups.remove(podCgroup(root, pod));
      if (ensured.delete(pod.metadata.uid) && qosClass(pod) === 'Burstable') await weighClasses();
    },
    async known() {
      const names = await Promise.all(classes.map((name) => cgroups.children(`${top}${name}`)));
      return names.flat().flatMap((name) => (name.startsWith('pod') ? [name.slice('pod'.length)] : []));
    },
    async removeUnknown(uid) {
      for (const name of classes) await cgroups.remove(`${top}${name}/pod${uid}`);
    },
  };
}
