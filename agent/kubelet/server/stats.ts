/** /stats/summary: usage of the node and its pods. Source: upstream `pkg/apis` of kubelet stats v1alpha1. */

import type { Cgroups, CgroupUsage } from '#agent/host/cgroup.ts';
import type { ContainerRuntime, ContainerStats } from '#agent/runtime/runtime.ts';
import { rfc3339 } from '#api/meta.ts';
import type { Pod } from '#api/types.generated.ts';
import type { Clock } from '#client/clock.ts';
import { parsePodLabels } from '../container/labels.ts';
import type { NodeObservation } from '../node/node-status.ts';
import { podCgroup } from '../resources/resources.ts';

/** The inputs of the summary. `startedMs`: since the epoch. */
export interface StatsInputs {
  runtime: ContainerRuntime;
  clock: Clock;
  nodeName: string;
  startedMs: number;
  pods: readonly Pod[];
  cgroups: Cgroups;
  cgroupRoot: string;
  observeNode(): Promise<NodeObservation>;
  /** Formats the times of measurements. Default: in whole seconds, as in upstream's summary. */
  timeText?: (ms: number) => string;
}

const groupStats = (usage: CgroupUsage | undefined, time: string): object =>
  usage === undefined
    ? {}
    : {
        cpu: { time, usageCoreNanoSeconds: Number(usage.cpuUsageNs) },
        memory: {
          time,
          usageBytes: usage.memoryUsageBytes,
          workingSetBytes: usage.memoryWorkingSetBytes,
          rssBytes: usage.memoryRssBytes,
        },
      };

function containerStats(
  { metadata, cpu, memory, writableLayer }: ContainerStats,
  time: string,
  timeText: (ms: number) => string,
): object {
  return {
    name: metadata.name,
    startTime: time,
    ...(cpu === undefined
      ? {}
      : {
          cpu: {
            time: timeText(cpu.timestampMs),
            usageNanoCores: cpu.usageNanoCores,
            usageCoreNanoSeconds: cpu.usageCoreNanoSeconds,
          },
        }),
    ...(memory === undefined
      ? {}
      : {
          memory: {
            time: timeText(memory.timestampMs),
            usageBytes: memory.usageBytes,
            workingSetBytes: memory.workingSetBytes,
            rssBytes: memory.rssBytes,
          },
        }),
    ...(writableLayer === undefined
      ? {}
      : { rootfs: { time, usedBytes: writableLayer.usedBytes, inodesUsed: writableLayer.inodesUsed } }),
  };
}

/** The answer of /stats/summary. @throws RuntimeError or a system error when usage cannot be read */
export async function statsSummary({
  runtime,
  clock,
  nodeName,
  startedMs,
  pods,
  cgroups,
  cgroupRoot,
  observeNode,
  timeText = rfc3339,
}: StatsInputs): Promise<object> {
  const time = rfc3339(clock.now());
  const [containers, node, whole] = await Promise.all([runtime.listContainerStats(), observeNode(), cgroups.usage('/')]);
  const { nodefs, machine, memoryAvailableBytes } = node;
  const measured = timeText(clock.now());
  return {
    node: {
      nodeName,
      startTime: rfc3339(startedMs),
      ...groupStats(whole, measured),
      memory: {
        time: measured,
        availableBytes: memoryAvailableBytes,
        usageBytes: whole?.memoryUsageBytes,
        workingSetBytes: machine.memoryBytes - memoryAvailableBytes,
      },
      fs: {
        time,
        availableBytes: nodefs.availableBytes,
        capacityBytes: nodefs.capacityBytes,
        usedBytes: nodefs.capacityBytes - nodefs.availableBytes,
        inodes: nodefs.inodes,
        inodesFree: nodefs.inodesFree,
      },
    },
    pods: await Promise.all(
      pods.map(async (pod) => {
        const { namespace, name, uid, creationTimestamp } = pod.metadata;
        const own = containers.filter(({ labels }) => parsePodLabels(labels)?.uid === uid);
        return {
          podRef: { name, namespace, uid },
          startTime: pod.status?.startTime ?? creationTimestamp,
          containers: own.map((stats) => containerStats(stats, time, timeText)),
          ...groupStats(await cgroups.usage(podCgroup(cgroupRoot, pod)), timeText(clock.now())),
        };
      }),
    ),
  };
}
