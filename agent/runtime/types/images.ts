/** Images and the filesystems that hold them: the messages of the image service. Source: kubernetes cri-api, pkg/apis/runtime/v1. */

/** An image on this node. */
export interface Image {
  id: string;
  repoTags: readonly string[];
  repoDigests: readonly string[];
  sizeBytes: number;
  /** The numeric user of the image, if it has one. */
  uid?: number | undefined;
  /** The user name of the image, if it has one and `uid` is absent. */
  username: string;
  pinned: boolean;
}

/** Credentials for a registry. */
export interface AuthConfig {
  username?: string | undefined;
  password?: string | undefined;
  /** `username:password` in base64. */
  auth?: string | undefined;
  serverAddress?: string | undefined;
  identityToken?: string | undefined;
  registryToken?: string | undefined;
}

/** The usage of a filesystem. */
export interface FilesystemUsage {
  timestampMs: number;
  mountpoint: string;
  usedBytes: number;
  inodesUsed: number;
}

/** The filesystems for images and for the writable layers of containers. */
export interface ImageFsInfo {
  imageFilesystems: readonly FilesystemUsage[];
  /** Empty when the writable layers are on the image filesystem. */
  containerFilesystems: readonly FilesystemUsage[];
}
