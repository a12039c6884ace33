"""The gallery: pages that show what tasks made. Imported by the API server alone, when the first page is asked for."""
