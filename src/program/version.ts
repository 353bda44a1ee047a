import packageFile from "../../package.json" with { type: "json" };

/** Of the image and all its programs; `package.json` is the one place where it is written. */
export const VERSION: string = packageFile.version;
