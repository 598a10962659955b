// Sends files to a knowledge base, one after the other, with the progress of each.

import { ApiError, failure, writeHeaders } from "./api.js";

/** Send one file; `progress(percent)` while it goes. Resolves with the document. */
export function upload(base, file, progress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const body = new FormData();
    body.append("file", file, file.name);
    request.open("POST", `/api/v1/knowledge-bases/${base}/documents/`);
    request.setRequestHeader("Accept", "application/json");
    for (const [name, value] of Object.entries(writeHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && progress(Math.round((100 * event.loaded) / event.total));
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) resolve(JSON.parse(request.responseText));
      else reject(failure(request.status, request.responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = () => reject(new ApiError(0));
    request.send(body);
  });
}
