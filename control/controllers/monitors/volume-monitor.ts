/** Metrics of volumes and claims. Source: kubernetes `pkg/controller/volume/{persistentvolume,attachdetach,ephemeral}/metrics`. */
import { Counter, Gauge, type Metric } from 'prom-client';
import { controllerOf } from '#api/meta.ts';
import type { PersistentVolume, PersistentVolumeClaim, VolumeAttachment } from '#api/types.generated.ts';
import type { Informers } from '#client/informers.ts';
import type { Monitor, MonitorDeps } from './monitor.ts';
import { follow } from './since.ts';

const registers: [] = [];
type Labels = Record<string, string>;

/** Metrics that are computed from changes of volumes and claims. */
export class VolumeMonitor implements Monitor {
  #informers: Informers | undefined;
  readonly #created = new Counter({
    name: 'ephemeral_volume_controller_create_total',
    help: 'Number of PersistentVolumeClaim creation requests',
    registers,
  });
  readonly #failed = new Counter({
    name: 'ephemeral_volume_controller_create_failures_total',
    help: 'Number of PersistentVolumeClaim creation requests',
    registers,
  });
  readonly metrics: readonly Metric[];

  constructor() {
    const volumes = (): readonly PersistentVolume[] => this.#informers?.cache('persistentvolumes').list() ?? [];
    const claims = (): readonly PersistentVolumeClaim[] => this.#informers?.cache('persistentvolumeclaims').list() ?? [];
    const attachments = (): readonly VolumeAttachment[] =>
      this.#informers?.cache('volumeattachments.storage.k8s.io').list() ?? [];
    const counted = (name: string, help: string, labelNames: string[], labels: () => Labels[]): Gauge =>
      new Gauge({
        name,
        help,
        labelNames,
        registers,
        collect() {
          this.reset();
          for (const one of labels()) this.inc(one);
        },
      });
    const isBound = ({ status }: PersistentVolume | PersistentVolumeClaim): boolean => status?.phase === 'Bound';
    const ofVolume = ({ spec }: PersistentVolume): Labels => ({ storage_class: spec.storageClassName ?? '' });
    const ofClaim = ({ metadata, spec }: PersistentVolumeClaim): Labels => ({
      namespace: metadata.namespace ?? '',
      storage_class: spec.storageClassName ?? '',
      volume_attributes_class: spec.volumeAttributesClassName ?? '',
    });
    const claimLabels = ['namespace', 'storage_class', 'volume_attributes_class'];
    const plugin = (attacher: string): string => `kubernetes.io/csi:${attacher}`;
    this.metrics = [
      this.#created,
      this.#failed,
      counted(
        'pv_collector_total_pv_count',
        'Gauge measuring total number of persistent volumes',
        ['plugin_name', 'volume_mode'],
        () => volumes().map(({ spec }) => ({ plugin_name: pluginOf(spec), volume_mode: spec.volumeMode ?? 'Filesystem' })),
      ),
      counted(
        'pv_collector_bound_pv_count',
        'Gauge measuring number of persistent volume currently bound',
        ['storage_class'],
        () => volumes().filter(isBound).map(ofVolume),
      ),
      counted(
        'pv_collector_unbound_pv_count',
        'Gauge measuring number of persistent volume currently unbound',
        ['storage_class'],
        () =>
          volumes()
            .filter((one) => !isBound(one))
            .map(ofVolume),
      ),
      counted(
        'pv_collector_bound_pvc_count',
        'Gauge measuring number of persistent volume claim currently bound',
        claimLabels,
        () => claims().filter(isBound).map(ofClaim),
      ),
      counted(
        'pv_collector_unbound_pvc_count',
        'Gauge measuring number of persistent volume claim currently unbound',
        claimLabels,
        () =>
          claims()
            .filter((one) => !isBound(one))
            .map(ofClaim),
      ),
      counted('storage_count_attachable_volumes_in_use', 'Measure number of volumes in use', ['node', 'volume_plugin'], () =>
        attachments().map(({ spec }) => ({ node: spec.nodeName, volume_plugin: plugin(spec.attacher) })),
      ),
      counted('attachdetach_controller_total_volumes', 'Number of volumes in A/D Controller', ['plugin_name', 'state'], () =>
        attachments().flatMap(({ spec, status, metadata }) => [
          ...(metadata.deletionTimestamp === undefined
            ? [{ plugin_name: plugin(spec.attacher), state: 'desired_state_of_world' }]
            : []),
          ...(status?.attached === true ? [{ plugin_name: plugin(spec.attacher), state: 'actual_state_of_world' }] : []),
        ]),
      ),
    ];
  }

  observe(deps: MonitorDeps): () => void {
    this.#informers = deps.informers;
    return follow(deps, 'persistentvolumeclaims', {
      added: (claim) => {
        if (controllerOf(claim)?.kind === 'Pod') this.#created.inc();
      },
    });
  }

  reconciled(controller: string, _seconds: number, error: unknown): void {
    if (controller !== 'ephemeral-volume-controller' || error === undefined) return;
    this.#created.inc();
    this.#failed.inc();
  }
}

function pluginOf(spec: PersistentVolume['spec']): string {
  if (spec.csi !== undefined) return `kubernetes.io/csi:${spec.csi.driver}`;
  if (spec.local !== undefined) return 'kubernetes.io/local-volume';
  if (spec.hostPath !== undefined) return 'kubernetes.io/host-path';
  if (spec.nfs !== undefined) return 'kubernetes.io/nfs';
  return 'N/A';
}
