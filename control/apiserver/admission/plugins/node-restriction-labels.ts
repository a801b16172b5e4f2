/**
 * The labels that a kubelet may set on its own Node. All other labels in the domains of Kubernetes are reserved for administrators, so that
 * a node cannot give them to itself.
 *
 * Source: kubernetes `plugin/pkg/admission/noderestriction`, kubelet `pkg/apis/well_known_labels.go`; KEP-279.
 */
import {
  archLabel,
  hostnameLabel,
  instanceTypeLabel,
  legacyRegionLabel,
  legacyZoneLabel,
  osLabel,
  regionLabel,
  zoneLabel,
} from '#api/node-labels.ts';

const kubeletLabels: ReadonlySet<string> = new Set([
  hostnameLabel,
  osLabel,
  archLabel,
  zoneLabel,
  regionLabel,
  instanceTypeLabel,
  legacyZoneLabel,
  legacyRegionLabel,
  'beta.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
]);

type Labels = Readonly<Record<string, string>> | undefined;

/** The labels, sorted, that differ and that a node may not change. @param old undefined: the Node is new */
export function forbiddenNodeLabels(labels: Labels, old: Labels): string[] {
  const [now, before] = [new Map(Object.entries(labels ?? {})), new Map(Object.entries(old ?? {}))];
  const keys = [...new Set([...now.keys(), ...before.keys()])];
  return keys.filter((key) => now.get(key) !== before.get(key) && isForbidden(key)).sort();
}

function isForbidden(key: string): boolean {
  const slash = key.indexOf('/');
  const domain = slash < 0 ? '' : key.slice(0, slash);
  const within = (parent: string): boolean => domain === parent || domain.endsWith(`.${parent}`);
  if (within('node-restriction.kubernetes.io')) return true;
  if (!within('kubernetes.io') && !within('k8s.io')) return false;
  return !kubeletLabels.has(key) && !within('kubelet.kubernetes.io') && !within('node.kubernetes.io');
}
