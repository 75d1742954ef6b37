// Where Laurel answers. Its setting LAUREL_ALLOWED_ORIGINS has to name the origin of this page.
export const API = "http://localhost:8000";
