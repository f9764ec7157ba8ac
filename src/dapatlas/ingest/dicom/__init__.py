"""DICOM: headers, series, studies; slices into volumes; PET and lesions."""
