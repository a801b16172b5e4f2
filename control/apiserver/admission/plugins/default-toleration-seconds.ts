/**
 * DefaultTolerationSeconds: adds tolerations for nodes that are not ready or unreachable, with a default duration, unless the pod has its
 * own.
 *
 * Source: upstream `plugin/pkg/admission/defaulttolerationseconds`.
 */
import { notReadyTaint, unreachableTaint } from '#api/node-taints.ts';
import type { Pod, Toleration } from '#api/types.generated.ts';
import { type AdmissionPlugin, concerns } from '../plugin.ts';

/** `--default-not-ready-toleration-seconds`, `--default-unreachable-toleration-seconds`. */
export interface TolerationSeconds {
  notReady: number;
  unreachable: number;
}

/** The plugin. Absent: 300 seconds each, as upstream. */
export const defaultTolerationSeconds = ({ notReady, unreachable }: TolerationSeconds = { notReady: 300, unreachable: 300 }) =>
  ({
    name: 'DefaultTolerationSeconds',
    handles: (operation) => operation === 'create' || operation === 'update',

    mutate(attributes) {
      if (!concerns(attributes, '', 'pods')) return;
      const { spec } = attributes.object as Pod;
      const tolerations = spec.tolerations ?? [];
      const defaults: [taint: string, seconds: number][] = [
        [notReadyTaint, notReady],
        [unreachableTaint, unreachable],
      ];
      const missing = defaults.filter(
        ([taint]) => !tolerations.some(({ key, effect }) => (!key || key === taint) && (!effect || effect === 'NoExecute')),
      );
      if (missing.length === 0) return;
      const added = missing.map(
        ([key, seconds]): Toleration => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: seconds }),
      );
      spec.tolerations = [...tolerations, ...added];
    },
  }) satisfies AdmissionPlugin;
