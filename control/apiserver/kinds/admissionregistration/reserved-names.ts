/** Names that manifests on the server's disk have. Source: kubernetes `pkg/apis/admissionregistration/validation/static_suffix.go`. */
import type { KubeObject } from '#api/meta.ts';

const suffix = '.static.k8s.io';

/** Texts for clients whose object has a name that is kept for configuration files of the server. */
export const reservedNameWarnings = ({ metadata: { name } }: KubeObject): string[] =>
  name.endsWith(suffix)
    ? [
        `metadata.name: names ending with "${suffix}" are reserved for static manifest-based configurations and cannot be managed via the API`,
      ]
    : [];
