/** The program's version, and the Kubernetes version that it reports. */
import packageJson from '../package.json' with { type: 'json' };

export const version: string = packageJson.version;
/** `GET /version`, a node's `kubeletVersion`. */
export const kubernetesVersion = `v1.36.0+tinkernetes${version}`;
